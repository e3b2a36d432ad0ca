"""Pictures: decoded once to know that they can be, hashed, and written out unchanged."""

import hashlib
import io
import os
import re
import shutil
import stat
import struct
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

from PIL import Image

from vargpt_schema.row_rules import BAD_PATH

MAX_FILE_BYTES = 64 * 2**20
# The name decides nothing: the sets hold GIF and PNG data that is called .jpg.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
UNDECODABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    OverflowError,
    TypeError,
    struct.error,
)
_DRAFT_PX = 8  # JPEG is decoded at an eighth: all of its data is read, few of its pixels are made
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
}
_BAD_PATH = re.compile(BAD_PATH)
_MAX_PENDING = 16
Item = TypeVar("Item")
Result = TypeVar("Result")


class Picture(NamedTuple):
    """What is known of a picture; without a fault it can be used."""

    sha256: bytes  # of its bytes; empty when there are none
    size_bytes: int
    format: str  # as decoded, such as "JPEG"; "" when it was not
    fault: str  # "" or a reason


MISSING = Picture(b"", 0, "", "missing_image")
BAD_NAME = Picture(b"", 0, "", "bad_image_path")
OUTSIDE = Picture(b"", 0, "", "image_outside_root")
UNREADABLE = Picture(b"", 0, "", "unreadable_image")
TOO_LARGE = Picture(b"", 0, "", "image_too_large")


def picture_of(data: bytes) -> Picture:
    """Decode the first frame of a picture, and hash its bytes."""
    digest = hashlib.sha256(data).digest()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            format_name = opened.format or ""
            opened.draft(None, (_DRAFT_PX, _DRAFT_PX))
            opened.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return Picture(digest, len(data), "", "too_many_pixels")
    except UNDECODABLE:
        return Picture(digest, len(data), "", "undecodable_image")
    return Picture(digest, len(data), format_name, "")


def is_misnamed(name: str, format_name: str) -> bool:
    """Whether a file's suffix is not that of its format, as with GIF data in a .jpg."""
    return not name.lower().endswith(_SUFFIXES.get(format_name, ("",)))


class ImageRoot:
    """The folder that image paths start in; nothing outside it is opened."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = os.path.realpath(root)
        self._is_inside: dict[str, bool] = {}  # folders, which are few

    def picture(self, name: str) -> Picture:
        """Read and decode the file of a relative POSIX path."""
        if _BAD_PATH.search(name):
            return BAD_NAME
        path = self.root / name
        try:
            found = path.lstat()
            is_link = stat.S_ISLNK(found.st_mode)
            if not self._is_within(path, is_link=is_link):
                return OUTSIDE
            found = path.stat() if is_link else found
            if not stat.S_ISREG(found.st_mode):
                return MISSING
            if found.st_size > MAX_FILE_BYTES:
                return TOO_LARGE
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return MISSING
        except OSError:
            return UNREADABLE
        return picture_of(data)

    def is_folder(self, name: str) -> bool:
        """Whether a folder of this name is there and no link to another place."""
        path = self.root / name
        return path.is_dir() and self._is_within(path, is_link=True)

    def size_bytes(self, name: str) -> int | None:
        """Size of a file; None when it is not there."""
        try:
            return (self.root / name).stat().st_size
        except OSError:
            return None

    def _is_within(self, path: Path, *, is_link: bool) -> bool:
        if is_link:
            return os.path.realpath(path).startswith(self._real_root + os.sep)
        parent = str(path.parent)
        if parent not in self._is_inside:
            real = os.path.realpath(parent)
            self._is_inside[parent] = (real + os.sep).startswith(self._real_root + os.sep)
        return self._is_inside[parent]


class EmbeddedImages:
    """Writes pictures that came inside a table as files below the image root."""

    def __init__(self, root: Path, build: Path) -> None:
        self._folder = root / "onevision"
        # One build writes here at a time, so what it finds here is what it left when it was killed.
        build_name = hashlib.sha256(str(build.resolve()).encode()).hexdigest()[:12]
        self._parts = self._folder / f".part-{build_name}"
        self._numbers = count()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """The folder for half-written files exists within the block."""
        shutil.rmtree(self._parts, ignore_errors=True)
        self._parts.mkdir(parents=True, exist_ok=True)
        try:
            yield
        finally:
            shutil.rmtree(self._parts, ignore_errors=True)  # after Ctrl-C a thread may still write

    def write(self, name: str, data: bytes) -> None:
        """Write the bytes unchanged under `name`, whole or not at all; kept when there already."""
        path = self._folder.parent / name
        if path.exists() and path.stat().st_size == len(data):
            return
        temporary = self._parts / f"{next(self._numbers)}"
        temporary.write_bytes(data)
        path.parent.mkdir(exist_ok=True)
        temporary.replace(path)


def embedded_name(subset: str, sha256: bytes) -> str:
    """Path below the image root of a picture that came inside a table."""
    return f"onevision/{safe_name(subset)}/{sha256.hex()}.jpg"


def safe_name(subset: str) -> str:
    """A subset's name with nothing but letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", subset).strip("_") or "_"


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`map` over as many threads as there are processors, results in order, few items at once."""
    pending: deque[Future[Result]] = deque()
    with bombs_are_errors(), ThreadPoolExecutor(_num_processors()) as pool:
        try:
            for item in items:
                pending.append(pool.submit(partial(function, item)))
                if len(pending) >= _MAX_PENDING:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def bombs_are_errors() -> Iterator[None]:
    """Pictures with too many pixels raise within the block, in every thread."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _num_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
