"""A picture's file: where a `generations` table says it lies, and the pixels in it."""

import io
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vargpt_schema import UserError

_FORMATS = ("PNG", "JPEG", "WEBP")
MODES = ("RGB", "L", "P")
MAX_SIDE_PX = 4_096

Pixels = NDArray[np.uint8]  # (height, width, 3)


def picture_path(table: Path, name: str | None, prompt_id: str) -> Path:
    """Of a table's column `image`; UserError for a path that leaves the table's folder."""
    folder = table.parent.resolve()
    is_plain = bool(name) and not set("\\\0") & set(name or "")
    path = (folder / (name or "")).resolve() if is_plain else folder
    if path == folder or not path.is_relative_to(folder):
        raise UserError(
            f"{table}: image {name!r} of prompt {prompt_id!r} found, a path inside {table.parent} "
            "expected. Move the pictures beside their table."
        )
    return path


def decoded(
    data: bytes | Pixels, name: str, *, modes: Collection[str] | None = MODES
) -> Pixels | None:
    """(height, width, 3); None when it cannot be decoded.

    UserError for a picture over 4,096 px, and for one that is not of these modes: by default 8 bits
    a channel without transparency, which features are defined for. None: any mode, turned into RGB.
    """
    if isinstance(data, np.ndarray):
        return data
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if max(image.size) > MAX_SIDE_PX:
                raise _too_large(name, f"{image.width} x {image.height} px")
            if modes is not None and (image.mode not in modes or "transparency" in image.info):
                raise UserError(
                    f"{name}: mode {image.mode} found, one of {', '.join(modes)} without "
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


def _too_large(name: str, found: str) -> UserError:
    return UserError(
        f"{name}: {found} found, at most {MAX_SIDE_PX} px a side expected. Take it out, or draw "
        "it smaller."
    )
