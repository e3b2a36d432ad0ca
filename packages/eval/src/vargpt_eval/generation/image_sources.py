"""Images to score: a `generations` table, a folder, a tar file, Parquet, or an evaluator's .npz.

Entries are listed before anything is decoded, so that what is missing or doubled is said at once.
"""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vargpt_schema import GENERATIONS, UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_FORMATS = ("PNG", "JPEG", "WEBP")
_MODES = ("RGB", "L", "P")
_MAX_SIDE_PX = 4_096

Pixels = NDArray[np.uint8]  # (height, width, 3)


class ImageEntry(NamedTuple):
    sample_id: str  # unique
    prompt_id: str  # of the prompt it was drawn for; the file's stem where nothing says
    prompt: str | None  # as the model got it
    name: str  # what errors call it
    stamp: str  # changes when the image does


class ImageSource(Protocol):
    """Entries in order, and their encoded files or pixels in the same order."""

    entries: list[ImageEntry]

    def read(self, start: int) -> Iterator[bytes | Pixels]: ...


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
    digest = hashlib.sha256()
    for entry in entries:
        digest.update(repr(entry).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def decoded(data: bytes | Pixels, name: str) -> Pixels | None:
    """(height, width, 3); None when it cannot be decoded.

    UserError for a mode that is not 8 bits a channel without transparency, and for huge pictures.
    """
    if isinstance(data, np.ndarray):
        return data
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if max(image.size) > _MAX_SIDE_PX:
                raise _too_large(name, f"{image.width} x {image.height} px")
            if image.mode not in _MODES or "transparency" in image.info:
                raise UserError(
                    f"{name}: mode {image.mode} found, one of {', '.join(_MODES)} without "
                    "transparency expected. Convert it to RGB first."
                )
            return np.asarray(image.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise _too_large(name, "a picture of too many pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):  # as Pillow's readers do
        return None


def centre_cropped(pixels: Pixels, side_px: int) -> Pixels:
    """Shorter side to `side_px` with Lanczos, then the middle: how ImageNet is put in one size."""
    image = Image.fromarray(pixels)
    scale = side_px / min(image.size)
    size = (max(side_px, round(image.width * scale)), max(side_px, round(image.height * scale)))
    large = image.resize(size, Image.Resampling.LANCZOS)
    left, top = (large.width - side_px) // 2, (large.height - side_px) // 2
    return np.asarray(large.crop((left, top, left + side_px, top + side_px)))


class FolderImages:
    """All images below a folder, in the order of their paths."""

    def __init__(self, path: Path) -> None:
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
        columns = ["prompt_id", "prompt", "seed", "part_index", "kind", "image", "image_sha256"]
        self.entries: list[ImageEntry] = []
        self._files: list[Path] = []
        for file in GENERATIONS.files(path):
            folder = file.parent.resolve()
            for row in GENERATIONS.read(file, columns).to_pylist():
                if row["kind"] != "image":
                    continue
                name = row["image"] or ""
                where = (folder / name).resolve()
                if not name or not where.is_relative_to(folder):
                    raise UserError(
                        f"{file}: image {name!r} of prompt {row['prompt_id']!r} found, a path "
                        f"inside {file.parent} expected. Move the pictures beside their table."
                    )
                sample_id = f"{row['prompt_id']} {row['seed']}-{row['part_index']}"
                stamp = row["image_sha256"] or _stamp(where)
                self.entries.append(
                    ImageEntry(sample_id, row["prompt_id"], row["prompt"], name, stamp)
                )
                self._files.append(where)

    def read(self, start: int) -> Iterator[bytes]:
        for file in self._files[start:]:
            yield file.read_bytes() if file.is_file() else b""


class ParquetImages:
    """A column `image` of bytes, or of structs as on the hub."""

    def __init__(self, path: Path) -> None:
        self._files = [path] if path.is_file() else sorted(path.glob("**/*.parquet"))
        self.entries = []
        for file in self._files:
            schema = pq.read_schema(file)
            if "image" not in schema.names:
                raise UserError(
                    f"{file}: columns {', '.join(schema.names)} found, one named `image` "
                    "expected. Give a table of images."
                )
            id_column = next((one for one in ("prompt_id", "image_id") if one in schema.names), "")
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
                    column = opened.read_row_group(group, columns=["image"]).column("image")
                    for value in column.slice(max(0, start - position)).to_pylist():
                        yield _bytes_of(value)
                position += size


class TarImages:
    """Images of a tar file in its order; it is never unpacked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: list[str] = []
        try:
            with tarfile.open(path) as archive:
                for member in archive:
                    self._members += [_safe_name(path, member)] if not member.isdir() else []
        except (tarfile.TarError, OSError) as error:
            raise UserError(
                f"{path}: not a readable tar file ({error}), one of images expected. Pack it again."
            ) from error
        self._members = [one for one in self._members if one.lower().endswith(SUFFIXES)]
        self.entries = [
            ImageEntry(name, PurePosixPath(name).stem, None, name, _stamp(path))
            for name in self._members
        ]

    def read(self, start: int) -> Iterator[bytes]:
        wanted = set(self._members[start:])
        with tarfile.open(self._path) as archive:
            for member in archive:
                if member.name in wanted:
                    file = archive.extractfile(member)
                    yield b"" if file is None else file.read()


class ArrayImages:
    """`arr_0` (N, h, w, 3) uint8 of an .npz file, as guided-diffusion keeps images."""

    def __init__(self, path: Path) -> None:
        self._path = path
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
                data = file.read(size)
                if number >= start:
                    yield np.frombuffer(data, np.uint8).reshape(height, width, channels)

    def _opened(self) -> Any:
        try:
            return zipfile.ZipFile(self._path).open("arr_0.npy")
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{self._path}: no array arr_0 found ({error}), images (N, height, width, 3) "
                "expected. Give a folder of images instead."
            ) from error

    def _shape(self, file: Any) -> tuple[int, ...]:
        np.lib.format.read_magic(file)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype != np.uint8 or is_fortran or len(shape) != 4 or shape[3] != 3:
            raise UserError(
                f"{self._path}: arr_0 of {dtype} {shape} found, uint8 (N, height, width, 3) "
                "expected. Give a folder of images instead."
            )
        return shape


def _parquet(path: Path) -> ImageSource:
    """A `generations` table where the file says so, any table of images otherwise."""
    first = path if path.is_file() else sorted(path.glob("**/*.parquet"))[0]
    try:
        metadata = pq.read_schema(first).metadata or {}
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{first}: not a readable Parquet file ({str(error).splitlines()[0]}), images "
            "expected. Write it again."
        ) from error
    is_generations = metadata.get(b"table") == GENERATIONS.name.encode()
    return TableImages(path) if is_generations else ParquetImages(path)


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


def _too_large(name: str, found: str) -> UserError:
    return UserError(
        f"{name}: {found} found, at most {_MAX_SIDE_PX} px a side expected. Take it out, or draw "
        "it smaller."
    )
