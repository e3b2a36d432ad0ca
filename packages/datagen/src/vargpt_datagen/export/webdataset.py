"""WebDataset: tars of about a gigabyte with each row's pictures, bytes unchanged, and its columns.

Rows are `KEY.jpg` (or what the picture is) and `KEY.json`; further pictures `KEY.1.jpg` and so on.
"""

import fcntl
import hashlib
import io
import json
import os
import tarfile
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from vargpt_datagen.export.json_text import json_objects
from vargpt_datagen.export.new_file import refuse_existing
from vargpt_datagen.export.picture_files import PictureFile
from vargpt_datagen.export.rows import BuildRows
from vargpt_datagen.folder import disk_faults_are_said, folder_error, write_text
from vargpt_datagen.progress import Progress
from vargpt_datagen.publishing import describe
from vargpt_schema import UserError
from vargpt_schema.table import fsync_folder

TAR_BYTES = 10**9
SKIPPED = "skipped.jsonl"
_STATE = "state.json"
_ROWS_AHEAD = 64  # whose pictures are being read while earlier ones are written
_FAULTS_AT_FIRST = 1_000  # so many and not one good picture: the image root is wrong
_BLOCK_BYTES = 512


class PictureRow(NamedTuple):
    """What is needed to find the pictures of a row."""

    images: Sequence[str]
    image_id: str | None


PicturesOf = Callable[[PictureRow], Sequence[PictureFile]]


class WebDataset(NamedTuple):
    """What was written."""

    num_rows: int
    num_skipped: int
    num_tars: int


@dataclass
class _State:
    """How far an export has come: what its finished tars hold."""

    fingerprint: str
    next_row: int = 0
    num_tars: int = 0
    num_rows: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)


class _Row(NamedTuple):
    number: int
    key: str
    columns: str  # as JSON
    images: Sequence[str]
    pictures: Sequence[PictureFile]

    @property
    def fault(self) -> dict[str, str] | None:
        """The first picture that is not good, and why."""
        for image, picture in zip(self.images, self.pictures, strict=True):
            if picture.fault:
                return {"image": image, "fault": picture.fault}
        return None

    def members(self) -> dict[str, bytes]:
        """The files of this row by name."""
        files = {
            f"{self.key}.{f'{at}.' if at else ''}{picture.extension}": picture.data
            for at, picture in enumerate(self.pictures)
        }
        return {**files, f"{self.key}.json": self.columns.encode()}


def write_webdataset(
    rows: BuildRows,
    out: Path,
    pictures_of: PicturesOf,
    show: Progress,
    *,
    pictures_from: str,
    tar_bytes: int = TAR_BYTES,
) -> WebDataset:
    """Write the folder `out` with OUT-000000.tar and so on; rows without pictures are listed.

    A killed export goes on at its last finished tar when the same is asked for again. UserError
    when `out` exists, another process writes it, or no picture is found. `pictures_from` says in
    messages where pictures are looked for.
    """
    refuse_existing(out)
    told = [describe(path, path.parent) for path in rows.files]
    parts = json.dumps([told, pictures_from, tar_bytes])
    partial = out.with_name(f".{out.name}.partial")
    with disk_faults_are_said(out.parent), _held(partial, out):
        state = _started(partial, hashlib.sha256(parts.encode()).hexdigest())
        _write_tars(rows, partial, out.name, pictures_of, show, state, tar_bytes, pictures_from)
        if state.skipped:
            lines = (json.dumps(skipped) + "\n" for skipped in state.skipped)
            write_text(partial / SKIPPED, "".join(lines))
        (partial / _STATE).unlink()
        partial.rename(out)
        fsync_folder(out.parent)
    return WebDataset(state.num_rows, len(state.skipped), state.num_tars)


def _write_tars(
    rows: BuildRows,
    partial: Path,
    name: str,
    pictures_of: PicturesOf,
    show: Progress,
    state: _State,
    tar_bytes: int,
    pictures_from: str,
) -> None:
    tar = None
    try:
        for row in _rows_with_pictures(rows, pictures_of, state.next_row):
            if row.fault:
                state.skipped.append({"sample_id": row.key, **row.fault})
                if not state.num_rows and len(state.skipped) == _FAULTS_AT_FIRST:
                    raise _no_pictures(state, pictures_from)
                continue
            members = row.members()
            if tar and tar.size_bytes + _size_bytes(members) > tar_bytes:
                tar.finish()
                _save(partial, state, row.number)
                tar = None
            if tar is None:
                tar = _Tar(partial / f"{name}-{state.num_tars:06d}.tar")
                state.num_tars += 1
            tar.add(members)
            state.num_rows += 1
            show(row.number + 1, rows.num_rows)
        if tar:
            tar.finish()
    finally:
        if tar:
            tar.release()
    if state.skipped and not state.num_rows:
        raise _no_pictures(state, pictures_from)
    _save(partial, state, rows.num_rows)


class _Tar:
    """One tar being written; the same members give the same bytes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._tar = tarfile.open(  # noqa: SIM115 closed by `finish`
            fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT
        )

    @property
    def size_bytes(self) -> int:
        return self._tar.offset

    def add(self, members: Mapping[str, bytes]) -> None:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            self._tar.addfile(info, io.BytesIO(data))

    def finish(self) -> None:
        self._tar.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self.release()

    def release(self) -> None:
        self._file.close()


def _size_bytes(members: Mapping[str, bytes]) -> int:
    return sum(_BLOCK_BYTES * (1 + -(-len(data) // _BLOCK_BYTES)) for data in members.values())


def _rows_with_pictures(rows: BuildRows, pictures_of: PicturesOf, first_row: int) -> Iterator[_Row]:
    """The rows in order, their pictures read by several threads ahead of need."""
    ahead: deque[tuple[_Row, Future[Sequence[PictureFile]]]] = deque()
    threads = min(16, 2 * (os.cpu_count() or 1))
    with _pictures_are_checked(), ThreadPoolExecutor(threads) as pool:
        try:
            for row, looked_for in _rows_without_pictures(rows, first_row):
                ahead.append((row, pool.submit(pictures_of, looked_for)))
                if len(ahead) == _ROWS_AHEAD:
                    yield _filled(*ahead.popleft())
            while ahead:
                yield _filled(*ahead.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _filled(row: _Row, pictures: "Future[Sequence[PictureFile]]") -> _Row:
    return row._replace(pictures=pictures.result())


def _rows_without_pictures(rows: BuildRows, first_row: int) -> Iterator[tuple[_Row, PictureRow]]:
    number = first_row
    for batch in rows.batches(rows.table.schema.names, first_row):
        texts = json_objects(dict(zip(batch.schema.names, batch.columns, strict=True)))
        columns = (batch.column(name) for name in ("sample_id", "images", "image_id"))
        for key, images, image_id, text in zip(
            *(column.to_pylist() for column in (*columns, texts)), strict=True
        ):
            yield _Row(number, key, text, images, ()), PictureRow(images, image_id)
            number += 1


@contextmanager
def _pictures_are_checked() -> Iterator[None]:
    """Pillow's warnings: too many pixels are an error, damaged EXIF is none of an export's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _no_pictures(state: _State, pictures_from: str) -> UserError:
    first = state.skipped[0]
    return UserError(
        f"{pictures_from}: none of the first {len(state.skipped):,} rows' pictures can be read "
        f"(first: {first['image']!r}, {first['fault']}), pictures below an image root were "
        "expected. Give the folder that these paths start from with --image-root DIR."
    )


def _started(partial: Path, fingerprint: str) -> _State:
    """The state of an export that was killed; a new one where it was of something else."""
    try:
        state = _State(**json.loads((partial / _STATE).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        state = None
    if state and state.fingerprint == fingerprint:
        return state
    for path in partial.iterdir():
        path.unlink()
    return _State(fingerprint)


def _save(partial: Path, state: _State, next_row: int) -> None:
    state.next_row = next_row
    write_text(partial / _STATE, json.dumps(asdict(state)))


@contextmanager
def _held(partial: Path, out: Path) -> Iterator[None]:
    """Hold the unfinished folder for this process; UserError when another one has it."""
    try:
        partial.mkdir(parents=True, exist_ok=True)
        handle = os.open(partial, os.O_RDONLY)
    except OSError as error:
        raise folder_error(partial, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"{out}: another process is exporting to it, one at a time was expected. Wait for "
                "it, or choose another folder with --out PATH."
            ) from error
        refuse_existing(out)
        yield
    finally:
        os.close(handle)
