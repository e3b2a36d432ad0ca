"""Views of an image: the squares that are encoded, each with a name that the codes table keeps.

`centre` and `random-0`, `random-1`, ... cut VAR's square out of the image at 1.125 times the size.
`whole` leaves no margin: right for pictures whose borders matter, as the sample world's do.
"""

import random
import re

from PIL import Image
from torch import Tensor

from vargpt_model.preprocessing import centre_crop, centre_pixels, cropped, pixels, resized
from vargpt_model.preprocessing import random_crop as random_corner

_RANDOM = re.compile(r"random-(0|[1-9][0-9]*)")


def view_pixels(
    image: Image.Image, view: str, *, name: str, seed: int, image_size_px: int
) -> Tensor:
    """One view of an RGB image: (3, image_size_px, image_size_px) in [-1, 1].

    A random view depends on seed, image name and view name alone, so that training from images
    and codes written once see the same squares. ValueError for an unknown view.
    """
    if view == "centre":
        return centre_pixels(image, image_size_px)
    if view == "whole":
        exact = resized(image, image_size_px, ratio=1.0)
        return pixels(cropped(exact, centre_crop(exact, image_size_px), image_size_px))
    if not _RANDOM.fullmatch(view):
        raise ValueError(f"view must be centre, whole or random-0, random-1, ...; got {view!r}")
    large = resized(image, image_size_px)
    rng = random.Random(f"{seed}/{name}/{view}")
    return pixels(cropped(large, random_corner(large, image_size_px, rng), image_size_px))
