"""Images to score: a `generations` table, a folder, a tar file, Parquet, or an evaluator's .npz.

Entries are listed before anything is decoded, so that what is missing or doubled is said at once.
"""

import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_eval.generation.picture_file import Pixels, picture_path
from vargpt_schema import GENERATIONS, UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


class ImageEntry(NamedTuple):
    """An image that has not been read yet."""

    sample_id: str  # unique
    prompt_id: str  # of the prompt it was drawn for; the file's stem where nothing says
    prompt: str | None  # as the model got it
    name: str  # what errors call it
    stamp: str  # changes when the image does


class ImageSource(Protocol):
    """Entries in order, and their encoded files or pixels in the same order."""

    path: Path  # what errors call all of them
    entries: list[ImageEntry]

    def read(self, start: int) -> Iterator[bytes | Pixels]:
        """From entry `start` on. UserError where a file turns out to be damaged."""
        ...


def open_images(path: Path) -> ImageSource:
    """UserError when nothing is there, no image is found, or an id is there twice."""
    if path.is_dir():
        has_table = any(path.glob("*.parquet")) or any((path / "data").glob("*.parquet"))
        source = _parquet(path) if has_table else FolderImages(path)
    elif path.suffix == ".parquet":
        source = _parquet(path)
    elif path.suffix == ".tar":
        source = TarImages(path)
    elif path.suffix == ".npz":
        source = ArrayImages(path)
    else:
        raise UserError(
            f"{path}: nothing to read images from found; a folder, a .tar, .parquet or .npz file "
            "expected. Check the path."
        )
    if not source.entries:
        raise UserError(f"{path}: no image found, at least one expected. Draw or give some.")
    seen: set[str] = set()
    for entry in source.entries:
        if entry.sample_id in seen:
            raise UserError(
                f"{path}: image {entry.sample_id!r} found twice, once expected. Remove one."
            )
        seen.add(entry.sample_id)
    return source


def entries_sha256(entries: list[ImageEntry]) -> str:
    """Changes when an image does, or their order."""
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(repr(entry).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class FolderImages:
    """All images below a folder, in the order of their paths."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        self._files = [file for file in found if file.is_file()]
        names = [file.relative_to(path).as_posix() for file in self._files]
        self.entries = [
            ImageEntry(name, PurePosixPath(name).stem, None, name, _stamp(file))
            for name, file in zip(names, self._files, strict=True)
        ]

    def read(self, start: int) -> Iterator[bytes]:
        for file in self._files[start:]:
            yield file.read_bytes()


class TableImages:
    """Image parts of a `generations` table, files beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        columns = ["prompt_id", "prompt", "seed", "part_index", "kind", "image", "image_sha256"]
        self.entries: list[ImageEntry] = []
        self._files: list[Path] = []
        for file in GENERATIONS.files(path):
            for row in GENERATIONS.read(file, columns).to_pylist():
                if row["kind"] != "image":
                    continue
                where = picture_path(file, row["image"], row["prompt_id"])
                sample_id = f"{row['prompt_id']} {row['seed']}-{row['part_index']}"
                stamp = row["image_sha256"] or _stamp(where)
                self.entries.append(
                    ImageEntry(sample_id, row["prompt_id"], row["prompt"], row["image"], stamp)
                )
                self._files.append(where)

    def read(self, start: int) -> Iterator[bytes]:
        for file in self._files[start:]:
            yield file.read_bytes() if file.is_file() else b""


class ParquetImages:
    """A column `image` of bytes, or of structs as on the hub."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._files = [path] if path.is_file() else sorted(path.glob("**/*.parquet"))
        self.entries = []
        for file in self._files:
            with _readable(file):
                schema = pq.read_schema(file)
            if "image" not in schema.names:
                raise UserError(
                    f"{file}: columns {', '.join(schema.names)} found, one named `image` "
                    "expected. Give a table of images."
                )
            id_column = next((one for one in ("prompt_id", "image_id") if one in schema.names), "")
            with _readable(file):
                ids: list[Any] = (
                    pq.read_table(file, columns=[id_column]).column(0).to_pylist()
                    if id_column
                    else [f"{file.stem}-{row}" for row in range(pq.read_metadata(file).num_rows)]
                )
            stamp = _stamp(file)
            self.entries += [ImageEntry(str(one), str(one), None, str(one), stamp) for one in ids]

    def read(self, start: int) -> Iterator[bytes]:
        position = 0
        for file in self._files:
            opened = pq.ParquetFile(file)
            for group in range(opened.num_row_groups):
                size = opened.metadata.row_group(group).num_rows
                if position + size > start:
                    with _readable(file):
                        column = opened.read_row_group(group, columns=["image"]).column("image")
                    for value in column.slice(max(0, start - position)).to_pylist():
                        yield _bytes_of(value)
                position += size


class TarImages:
    """Images of a tar file in its order; it is never unpacked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members: list[str] = []
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    self._members += [_safe_name(path, member)] if not member.isdir() else []
                _expect_end(archive)
        except (tarfile.TarError, OSError, EOFError) as error:
            reason = str(error).partition("\n")[0].rstrip(":")
            raise UserError(
                f"{path}: not a whole tar file ({reason}), one of images expected. Pack it again."
            ) from error
        self._members = [one for one in self._members if one.lower().endswith(SUFFIXES)]
        self.entries = [
            ImageEntry(name, PurePosixPath(name).stem, None, name, _stamp(path))
            for name in self._members
        ]

    def read(self, start: int) -> Iterator[bytes]:
        wanted = set(self._members[start:])
        with tarfile.open(self.path) as archive:
            for member in archive:
                if member.name in wanted:
                    file = archive.extractfile(member)
                    yield b"" if file is None else file.read()


class ArrayImages:
    """`arr_0` (N, h, w, 3) uint8 of an .npz file, as guided-diffusion keeps images."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as file:
            count = self._shape(file)[0]
        self.entries = [
            ImageEntry(f"{n:06d}", f"{n:06d}", None, f"arr_0[{n}]", _stamp(path))
            for n in range(count)
        ]

    def read(self, start: int) -> Iterator[Pixels]:
        with self._opened() as file:
            count, height, width, channels = self._shape(file)
            size = height * width * channels
            for number in range(count):
                try:
                    data = file.read(size)
                except (OSError, zipfile.BadZipFile, zlib.error) as error:
                    raise self._damaged(f"{error}") from error
                if len(data) != size:
                    raise self._damaged(f"{number} of {count} images in it")
                if number >= start:
                    yield np.frombuffer(data, np.uint8).reshape(height, width, channels)

    def _opened(self) -> Any:
        try:
            return zipfile.ZipFile(self.path).open("arr_0.npy")
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{self.path}: no array arr_0 found ({error}), images (N, height, width, 3) "
                "expected. Give a folder of images instead."
            ) from error

    def _damaged(self, found: str) -> UserError:
        return UserError(
            f"{self.path}: a damaged arr_0 found ({found}), a whole array expected. Write or "
            "download it again."
        )

    def _shape(self, file: Any) -> tuple[int, ...]:
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        try:
            shape, is_fortran, dtype = read_header[np.lib.format.read_magic(file)](file)
        except (ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise self._damaged(f"{error}") from error
        if dtype != np.uint8 or is_fortran or len(shape) != 4 or shape[3] != 3:
            raise UserError(
                f"{self.path}: arr_0 of {dtype} {shape} found, uint8 (N, height, width, 3) "
                "expected. Give a folder of images instead."
            )
        return shape


def _parquet(path: Path) -> ImageSource:
    """A `generations` table where the file says so, any table of images otherwise."""
    first = path if path.is_file() else sorted(path.glob("**/*.parquet"))[0]
    with _readable(first):
        metadata = pq.read_schema(first).metadata or {}
    is_generations = metadata.get(b"table") == GENERATIONS.name.encode()
    return TableImages(path) if is_generations else ParquetImages(path)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{file}: not a readable Parquet file ({str(error).splitlines()[0]}), images "
            "expected. Write it again."
        ) from error


def _expect_end(archive: tarfile.TarFile) -> None:
    """A tar file ends in blocks of zeros; Python takes one that was cut before them for whole."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("its end is missing")


def _safe_name(path: Path, member: tarfile.TarInfo) -> str:
    parts = PurePosixPath(member.name).parts
    if not member.isfile() or member.name.startswith("/") or ".." in parts:
        raise UserError(
            f"{path}: member {member.name!r} is a link, a device or leaves its folder; plain "
            "files below it expected. Pack the images again."
        )
    return member.name


def _stamp(path: Path) -> str:
    """Size and time of a file; empty for one that is not there."""
    if not path.is_file():
        return ""
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _bytes_of(value: Any) -> bytes:
    held = value.get("bytes") if isinstance(value, dict) else value
    return held if isinstance(held, bytes) else b""
