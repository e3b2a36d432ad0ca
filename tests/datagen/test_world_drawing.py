import io

import numpy as np
import pytest
from PIL import Image

from vargpt_datagen.world import draw, png_bytes
from vargpt_schema.world import (
    POSITIONS,
    SHAPES,
    SIZES,
    Position,
    Scene,
    Shape,
    Size,
    WorldObject,
    centre_of,
    scene_at,
)


def drawn_alone(shape: Shape, size: Size, position: Position, size_px: int) -> np.ndarray:
    """Coverage in [0, 1] of one yellow object on navy."""
    scene = Scene("navy", (WorldObject(shape, "yellow", size, position),))
    red = np.asarray(draw(scene, size_px)).astype(float)[:, :, 0]
    return (red - 5) / 250


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("circle", 0.785),
        ("square", 1.0),
        ("triangle", 0.5),
        ("moon", 0.38),
        ("cross", 0.538),
        ("star", 0.386),
        ("ring", 0.556),
        ("heart", 0.62),
    ],
)
def test_a_shape_covers_its_share_of_its_box(shape: Shape, area: float):
    covered = drawn_alone(shape, "large", "centre", 128).sum() / 40**2
    assert covered == pytest.approx(area, abs=0.03)


@pytest.mark.parametrize("size_px", [16, 24, 32, 50, 64, 128])
def test_an_object_stands_at_its_position_within_its_side(size_px: int):
    for position in POSITIONS:
        covered = drawn_alone("circle", "medium", position, size_px)
        rows, columns = np.nonzero(covered > 0.02)
        centre = centre_of(position)
        assert (columns * covered[rows, columns]).sum() / covered.sum() + 0.5 == pytest.approx(
            centre.x * size_px, abs=0.15
        )
        assert (rows * covered[rows, columns]).sum() / covered.sum() + 0.5 == pytest.approx(
            centre.y * size_px, abs=0.15
        )
        assert np.ptp(columns) + 1 <= size_px / 4 + 2


def test_edges_are_anti_aliased_and_squares_on_whole_pixels_are_sharp():
    circle = drawn_alone("circle", "large", "centre", 64)
    assert ((circle > 0.1) & (circle < 0.9)).sum() > 20
    assert set(drawn_alone("square", "large", "centre", 64).ravel()) == {0.0, 1.0}


def test_every_shape_and_size_looks_different():
    pictures = {
        drawn_alone(shape, size, "centre", 32).tobytes() for shape in SHAPES for size in SIZES
    }
    assert len(pictures) == 24


def test_objects_have_their_colours_and_the_rest_is_background():
    scene = Scene(
        "beige",
        (
            WorldObject("square", "purple", "large", "top left"),
            WorldObject("square", "green", "large", "top centre"),
        ),
    )
    pixels = np.asarray(draw(scene, 64))
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    assert colours.tolist() == [[0, 200, 10], [165, 0, 220], [220, 215, 165]]
    assert counts.tolist() == [400, 400, 64 * 64 - 800]


def test_drawing_again_gives_the_same_png():
    assert png_bytes(scene_at(0), 64) == png_bytes(scene_at(0), 64)
    picture = Image.open(io.BytesIO(png_bytes(scene_at(0), 64)))
    assert (picture.mode, picture.size, picture.format) == ("RGB", (64, 64), "PNG")


@pytest.mark.parametrize("size_px", [0, 15, 4_097])
def test_a_size_out_of_bounds_is_refused(size_px: int):
    with pytest.raises(ValueError, match=f"16 to 4096; got {size_px}"):
        draw(scene_at(0), size_px)


def test_a_partial_scene_cannot_be_drawn():
    thing = scene_at(0).objects[0]
    with pytest.raises(ValueError, match="background is not named"):
        draw(Scene(None, (thing,)), 64)
    with pytest.raises(ValueError, match="lacks an attribute"):
        draw(Scene("white", (thing._replace(size=None),)), 64)
