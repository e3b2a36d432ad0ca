"""Pictures of the report's rows, as data: URIs: drawn for world rows, read for real ones."""

import base64
import io
import warnings
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from vargpt_datagen.build_rows import BuildRow
from vargpt_schema import UserError
from vargpt_schema.world import index_of, scene_at

SIDE_PX = 128
_MAX_FILE_BYTES = 64 * 2**20
_FORMATS = ("JPEG", "PNG", "WEBP")  # ImageNet has a PNG named .JPEG, so the name decides nothing
# What Pillow raises on damaged files.
_UNDECODABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, OverflowError, TypeError)


class Picture(NamedTuple):
    """A picture, or why there is none."""

    uri: str | None
    missing: str  # shown in its place


def picture_of(row: BuildRow, image_root: Path | None) -> Picture:
    """The picture of one row; anything wrong with a file is said in its place."""
    if row.source == "world":
        return _drawn(row.image_id or "")
    if row.image is None:
        return Picture(None, "no image")
    if image_root is None:
        return Picture(None, "no image root given")
    return _thumbnail(image_root, row.image)


def _drawn(image_id: str) -> Picture:
    from vargpt_datagen.world import png_bytes

    try:
        return Picture(_data_uri("image/png", png_bytes(scene_at(index_of(image_id)), SIDE_PX)), "")
    except UserError:
        return Picture(None, "not a scene of the sample world")


def _thumbnail(image_root: Path, image: str) -> Picture:
    root = image_root.resolve()
    try:
        path = (root / image).resolve()
        if not path.is_relative_to(root):
            return Picture(None, "outside the image root")
        if not path.is_file():
            return Picture(None, "no such file")
        if path.stat().st_size > _MAX_FILE_BYTES:
            return Picture(None, "file too large")
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as opened:
                opened.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))
                small = opened.convert("RGB")
        small.thumbnail((2 * SIDE_PX, 2 * SIDE_PX))  # twice the size shown, for sharp screens
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return Picture(None, "too many pixels")
    except _UNDECODABLE:
        return Picture(None, "cannot be decoded")
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return Picture(_data_uri("image/jpeg", buffer.getvalue()), "")


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
