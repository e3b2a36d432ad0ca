import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from vargpt_datagen.world import draw
from vargpt_eval.world import seen_scene
from vargpt_eval.world.templates import KINDS, templates
from vargpt_schema.world import (
    BACKGROUND_RGB,
    BACKGROUNDS,
    POSITIONS,
    Scene,
    WorldObject,
    centre_of,
    scene_at,
)


def load_benchmark():
    path = Path(__file__).parents[2] / "benchmarks" / "world_checker.py"
    spec = importlib.util.spec_from_file_location("world_checker_benchmark", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BENCHMARK = load_benchmark()
FEW = 70  # scenes of each kind, size and distortion; `slow` takes 1,000


@pytest.mark.parametrize("cell", BENCHMARK.CELLS, ids=str)
def test_drawn_scenes_are_read_right(cell):
    assert BENCHMARK.accepted(BENCHMARK.right_cases(), cell, 3 * FEW).percent >= 99.5


@pytest.mark.parametrize("kind", BENCHMARK.WRONG_KINDS)
def test_scenes_wrong_in_one_attribute_are_not_accepted(kind: str):
    cases = BENCHMARK.WRONG_KINDS[kind]
    assert [BENCHMARK.accepted(cases(), cell, FEW).hits for cell in BENCHMARK.CELLS] == [0] * 8


@pytest.mark.slow
@pytest.mark.parametrize("cell", BENCHMARK.CELLS, ids=str)
def test_drawn_scenes_are_read_right_in_full_and_as_named(cell):
    assert BENCHMARK.accepted(BENCHMARK.right_cases(), cell, 2_000).percent >= 99.5
    assert BENCHMARK.accepted(BENCHMARK.named_cases(), cell, 1_000).percent >= 99.5


@pytest.mark.slow
@pytest.mark.parametrize("kind", BENCHMARK.WRONG_KINDS)
def test_at_most_half_a_percent_of_a_thousand_wrong_scenes_are_accepted(kind: str):
    cases = BENCHMARK.WRONG_KINDS[kind]
    shares = [BENCHMARK.accepted(cases(), cell, 1_000).percent for cell in BENCHMARK.CELLS]
    assert max(shares) <= 0.5


@pytest.mark.parametrize("size_px", [33, 40, 48, 50, 63, 80, 96, 100, 224, 256])
def test_other_sizes_are_read_too(size_px: int):
    for distortion in ("clean", "noise 20 dB"):
        cell = BENCHMARK.Cell(size_px, distortion)
        assert BENCHMARK.accepted(BENCHMARK.right_cases(), cell, 60).percent == 100


def test_a_blurred_scene_is_read():
    for index in range(60):
        blurred = draw(scene_at(index), 64).filter(ImageFilter.BoxBlur(1))
        assert seen_scene(blurred) == with_objects_in_reading_order(scene_at(index))


def test_an_array_and_an_image_are_read_alike():
    picture = draw(scene_at(0), 64)
    assert seen_scene(np.asarray(picture)) == seen_scene(picture) is not None
    assert seen_scene(picture.convert("RGBA")) == seen_scene(picture)


def test_three_objects_are_all_seen():
    things = tuple(
        WorldObject("heart", "red", "small", place)
        for place in ("top left", "centre", "bottom right")
    )
    assert seen_scene(draw(Scene("white", things), 64)) == Scene("white", things)


def noise(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (64, 64, 3))


def noisy_background(rng: np.random.Generator) -> np.ndarray:
    return BACKGROUND_RGB[rng.choice(BACKGROUNDS)] + rng.normal(0, 25, (64, 64, 3))


def one_colour(rng: np.random.Generator) -> np.ndarray:
    return np.zeros((64, 64, 3)) + rng.integers(0, 256, 3)


def colour_gradient(rng: np.random.Generator) -> np.ndarray:
    start, end = rng.integers(0, 256, (2, 3))
    return start + (end - start) * np.linspace(0, 1, 64)[:, None, None] + np.zeros((64, 64, 3))


def soft_clouds(rng: np.random.Generator) -> np.ndarray:
    coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3)).astype(np.uint8))
    return np.asarray(coarse.resize((64, 64), Image.Resampling.BICUBIC))


def checkerboard(rng: np.random.Generator) -> np.ndarray:
    side = int(rng.integers(2, 12))
    squares = (np.add.outer(np.arange(64) // side, np.arange(64) // side) % 2)[:, :, None]
    return squares * rng.integers(0, 256, 3)


def half_a_scene(rng: np.random.Generator) -> np.ndarray:
    picture = np.array(draw(scene_at(int(rng.integers(1_000_000))), 64))
    picture[:, 32:] = soft_clouds(rng)[:, 32:]
    return picture


@pytest.mark.parametrize(
    "make",
    [
        noise,
        noisy_background,
        one_colour,
        colour_gradient,
        soft_clouds,
        checkerboard,
        half_a_scene,
    ],
)
def test_no_scene_is_seen_where_there_is_none(make):
    rng = np.random.default_rng(0)
    pictures = [np.clip(make(rng), 0, 255).astype(np.uint8) for _ in range(60)]
    assert [seen_scene(picture) for picture in pictures] == [None] * 60


def test_an_object_between_two_positions_is_not_read():
    read = 0
    for index in range(200):
        picture = np.asarray(draw(scene_at(index), 64))
        read += seen_scene(np.roll(picture, (5, 5), (0, 1))) is not None
    assert read <= 20  # an object pushed off the edge may leave one that fits by chance


@pytest.mark.parametrize("shape", [(64, 65, 3), (31, 31, 3), (0, 0, 3), (1, 64, 3)])
def test_a_picture_that_is_not_square_or_too_small_shows_no_scene(shape: tuple[int, ...]):
    assert seen_scene(np.zeros(shape, np.uint8)) is None


@pytest.mark.parametrize(
    "pixels", [np.zeros((64, 64), np.uint8), np.zeros((3, 64, 64), np.uint8), np.zeros((64, 64, 3))]
)
def test_arrays_that_are_not_rgb_bytes_are_refused(pixels: np.ndarray):
    with pytest.raises(ValueError, match="must be"):
        seen_scene(pixels)


def test_templates_and_drawings_agree_though_written_apart():
    masks = templates(64).masks
    assert masks.shape == (9, 24, 400)
    for (shape, size), mask in zip(KINDS, masks[4], strict=True):
        scene = Scene("navy", (WorldObject(shape, "yellow", size, "centre"),))
        red = np.asarray(draw(scene, 64)).astype(float)[:, :, 0]
        drawn = (red[22:42, 22:42] - 5) / 250
        assert np.abs(drawn.ravel() - mask).max() < 0.13, (shape, size)


def with_objects_in_reading_order(scene: Scene) -> Scene:
    def place(thing: WorldObject) -> tuple[float, float]:
        centre = centre_of(thing.position or POSITIONS[0])
        return centre.y, centre.x

    return scene._replace(objects=tuple(sorted(scene.objects, key=place)))
