"""Views of an image and the settings of the command line."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from PIL import Image

from vargpt_model.settings import with_settings
from vargpt_model.views import view_pixels
from vargpt_schema.errors import UserError


def noise_image(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(values)


def view(image: Image.Image, name: str, image_name: str = "a.png", seed: int = 0):
    return view_pixels(image, name, name=image_name, seed=seed, image_size_px=16)


def test_whole_view_of_a_picture_of_the_right_size_is_the_picture():
    image = noise_image(16, 16)
    expected = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(view(image, "whole"), expected)


def test_whole_view_of_a_wide_picture_is_its_middle():
    image = noise_image(32, 16)
    expected = view(image.crop((8, 0, 24, 16)), "whole")
    torch.testing.assert_close(view(image, "whole"), expected)


def test_random_views_depend_on_seed_image_and_name_alone():
    image = noise_image(60, 30)
    first = view(image, "random-0")
    assert torch.equal(first, view(image, "random-0"))
    others = [view(image, "random-1"), view(image, "random-0", "b.png")]
    others.append(view(image, "random-0", seed=1))
    assert not any(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("name", ["random", "random-01", "random--1", "left", ""])
def test_unknown_views_are_refused(name):
    with pytest.raises(ValueError, match="view must be centre, whole or random-0"):
        view(noise_image(16, 16), name)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    width: int = 8
    share: float = 0.5
    is_deep: bool = False
    sides: tuple[int, ...] = (1, 2)
    name: str = "plain"


def test_settings_are_read_as_the_types_of_their_fields():
    settings = ["width=4", "share=1", "is_deep=true", "sides=1,2,3", "name=a=b"]
    expected = Sizes(width=4, share=1.0, is_deep=True, sides=(1, 2, 3), name="a=b")
    assert with_settings(Sizes(), settings) == expected


@pytest.mark.parametrize("setting", ["width=4.5", "is_deep=yes", "sides=", "depth=3", "width"])
def test_settings_of_another_type_or_name_are_one_line(setting):
    with pytest.raises(UserError, match=f"--set {setting}: .* was expected"):
        with_settings(Sizes(), [setting])
