"""Images as VAR prepares them."""

import io
import random

import numpy as np
import pytest
import torch
from PIL import Image

from tests.model.golden import assert_close, vectors
from vargpt_model.preprocessing import (
    Crop,
    as_rgb,
    centre_crop,
    centre_pixels,
    cropped,
    open_image,
    pixels,
    random_crop,
    resized,
    to_uint8,
)
from vargpt_schema.errors import UserError


@pytest.mark.parametrize("name", ["landscape", "portrait"])
def test_resize_and_centre_crop_equal_the_reference(name):
    tensors = vectors("preprocess")
    image = Image.fromarray(tensors[f"{name}.in_hwc_u8"].numpy())
    assert np.array_equal(np.array(resized(image, 16)), tensors[f"{name}.resized_hwc_u8"].numpy())
    assert torch.equal(centre_pixels(image, 16), tensors[f"{name}.out_chw"])


def test_half_a_pixel_of_margin_goes_to_the_even_side():
    image = Image.new("RGB", (19, 21))
    assert centre_crop(image, 16) == Crop(top=2, left=2)


def test_random_crops_stay_inside_and_reach_every_corner():
    image = Image.new("RGB", (5, 4))
    crops = {random_crop(image, 4, random.Random(seed)) for seed in range(50)}
    assert crops == {Crop(0, 0), Crop(0, 1)}
    image.putpixel((4, 3), (255, 0, 0))
    assert cropped(image, Crop(0, 1), 4).getpixel((3, 3)) == (255, 0, 0)


def test_pixels_run_from_minus_one_to_one():
    image = Image.fromarray(np.array([[[0, 255, 51]]], dtype=np.uint8))
    assert_close(pixels(image), torch.tensor([-1.0, 1.0, -0.6]).view(3, 1, 1), 1e-6)


def test_drawn_images_are_rounded_to_levels():
    assert to_uint8(torch.tensor([0.0, 0.4999 / 255, 0.6 / 255, 1.0])).tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr"])
def test_images_of_other_modes_become_rgb(mode):
    assert as_rgb(Image.new(mode, (2, 2)), "picture").mode == "RGB"


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_modes_that_rgb_would_clip_are_refused(mode):
    with pytest.raises(UserError, match=f"a.png: mode {mode} found"):
        as_rgb(Image.new(mode, (2, 2)), "a.png")


def test_an_empty_image_is_refused():
    with pytest.raises(UserError, match="an image of 0 x 3 pixels found"):
        as_rgb(Image.new("RGB", (0, 3)), "a.png")


def test_a_strip_that_would_fill_the_memory_when_enlarged_is_refused():
    with pytest.raises(UserError, match=r"a\.png: an image of 1 x 101 pixels found"):
        as_rgb(Image.new("RGB", (1, 101)), "a.png")
    assert as_rgb(Image.new("RGB", (1, 100)), "a.png").size == (1, 100)


def jpeg() -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"text", jpeg()[:500]])
def test_unreadable_images_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a.jpg: unreadable image found"):
        open_image(path)
    with pytest.raises(UserError, match=r"row 7: unreadable image found"):
        open_image(content, "row 7")


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    Image.new("RGB", (100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match="unreadable image found"):
        open_image(tmp_path / "a.png")


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none.png: no such file found"):
        open_image(tmp_path / "none.png")


def test_a_file_opens_as_it_was_saved(tmp_path):
    Image.new("RGB", (3, 2), (1, 2, 3)).save(tmp_path / "a.png")
    image = open_image(tmp_path / "a.png")
    assert (image.size, image.getpixel((2, 1))) == ((3, 2), (1, 2, 3))
