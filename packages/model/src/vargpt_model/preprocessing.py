"""Images as the image tokenizer sees them, the way VAR prepares ImageNet.

Resize the shorter side to 1.125 times the target with Lanczos, crop a square, scale to [-1, 1].
"""

import random
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from vargpt_schema.errors import UserError

RESIZE_RATIO = 1.125
# Modes whose conversion to RGB keeps their colours (transparency is dropped, as by VAR). Others
# (I;16, F, ...) would be clipped.
CONVERTIBLE_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})

# A longer strip, its shorter side enlarged to the target, would fill the memory.
MAX_ASPECT_RATIO = 100


class Crop(NamedTuple):
    """Top left corner of a square in the resized image, in pixels."""

    top: int
    left: int


def open_image(source: Path | bytes, name: str | None = None) -> Image.Image:
    """An RGB image from a file or its bytes; `name` says in errors whose bytes they are.

    UserError for unreadable files, decompression bombs, empty images, strips longer than
    `MAX_ASPECT_RATIO`, and modes that RGB cannot hold.
    """
    where = name or (str(source) if isinstance(source, Path) else "image")
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as image:
            return as_rgb(image, where)
    except FileNotFoundError as error:
        raise UserError(
            f"{where}: no such file found, an image was expected. Check the path."
        ) from error
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        RuntimeError,
        Image.DecompressionBombError,
    ) as error:
        raise UserError(
            f"{where}: unreadable image found ({error}), a whole JPEG, PNG or WebP file was "
            "expected. Replace or remove it."
        ) from error


def as_rgb(image: Image.Image, name: str) -> Image.Image:
    """The image in RGB; UserError for an empty one, a long strip, a mode that RGB would clip."""
    if not image.width or not image.height:
        raise UserError(
            f"{name}: an image of {image.width} x {image.height} pixels found, at least 1 x 1 was "
            "expected. Replace or remove it."
        )
    if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
        raise UserError(
            f"{name}: an image of {image.width} x {image.height} pixels found, sides within a "
            f"ratio of {MAX_ASPECT_RATIO} were expected. Replace or remove it."
        )
    if image.mode not in CONVERTIBLE_MODES:
        raise UserError(
            f"{name}: mode {image.mode} found, one of {', '.join(sorted(CONVERTIBLE_MODES))} was "
            "expected. Convert it to 8 bits a channel first."
        )
    return image.convert("RGB")


def resized(image: Image.Image, image_size_px: int, ratio: float = RESIZE_RATIO) -> Image.Image:
    """Shorter side to round(1.125 * image_size_px), the longer in proportion, rounded down."""
    shorter = round(ratio * image_size_px)
    if image.width <= image.height:
        size = (shorter, int(shorter * image.height / image.width))
    else:
        size = (int(shorter * image.width / image.height), shorter)
    return image.resize(size, Image.Resampling.LANCZOS)


def centre_crop(image: Image.Image, side_px: int) -> Crop:
    """The middle square; half pixels go to the even neighbour."""
    return Crop(round((image.height - side_px) / 2), round((image.width - side_px) / 2))


def random_crop(image: Image.Image, side_px: int, rng: random.Random) -> Crop:
    """A square anywhere, as in training."""
    return Crop(rng.randint(0, image.height - side_px), rng.randint(0, image.width - side_px))


def cropped(image: Image.Image, crop: Crop, side_px: int) -> Image.Image:
    """The square of `side_px` pixels at `crop`."""
    return image.crop((crop.left, crop.top, crop.left + side_px, crop.top + side_px))


def pixels(image: Image.Image) -> Tensor:
    """RGB image -> (3, H, W) float32 in [-1, 1]"""
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255)
    return values + values - 1


def centre_pixels(image: Image.Image, image_size_px: int) -> Tensor:
    """Resize and crop the middle: RGB image -> (3, image_size_px, image_size_px) in [-1, 1]"""
    large = resized(image, image_size_px)
    return pixels(cropped(large, centre_crop(large, image_size_px), image_size_px))


def to_uint8(images: Tensor) -> Tensor:
    """Drawn images (B, 3, H, W) in [0, 1] -> uint8, rounded to the nearest level."""
    return images.mul(255).round().clamp(0, 255).to(torch.uint8)
