"""Pictures as they lie below an image root: their own bytes, once it is sure they decode."""

import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image

MAX_FILE_BYTES = 64 * 2**20
# ImageNet has a PNG named .JPEG and OCR-VQA GIFs named .jpg: the contents decide, not the name.
EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
# What Pillow raises on damaged files.
_UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, TypeError)
_SMALL_PX = 64  # a JPEG read at an eighth of its size is still read to its end


class PictureFile(NamedTuple):
    """The bytes of a picture and the extension that fits them, or why there are none."""

    data: bytes
    extension: str
    fault: str | None = None


def picture_file(image_root: Path, image: str) -> PictureFile:
    """The picture at a path below the (resolved) image root; what is wrong is told as its fault.

    Run inside `warnings.catch_warnings` with DecompressionBombWarning as an error.
    """
    try:
        path = (image_root / image).resolve()
        if not path.is_relative_to(image_root):
            return _fault("outside the image root")
        if not path.is_file():
            return _fault("no such file")
        if path.stat().st_size > MAX_FILE_BYTES:
            return _fault(f"larger than {MAX_FILE_BYTES // 2**20} MiB")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        return _fault(f"cannot be read ({getattr(error, 'strerror', None) or error})")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            opened.draft("L", (_SMALL_PX, _SMALL_PX))
            opened.load()
            return PictureFile(data, EXTENSIONS[opened.format or ""])
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return _fault("too many pixels")
    except _UNDECODABLE:
        return _fault("cannot be decoded")


def _fault(reason: str) -> PictureFile:
    return PictureFile(b"", "", reason)
