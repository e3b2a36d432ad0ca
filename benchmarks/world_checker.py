"""How often the checker reads drawn scenes right, and how often it accepts wrong ones.

Run: python benchmarks/world_checker.py [--count N]
"""

import argparse
import io
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vargpt_datagen.world import draw
from vargpt_eval.world import seen_scene
from vargpt_eval.world.templates import KINDS, templates
from vargpt_schema.world import (
    COLOUR_RGB,
    COLOURS,
    POSITIONS,
    SHAPES,
    SIZES,
    SPLITS,
    Colour,
    Position,
    Scene,
    Shape,
    Size,
    WorldObject,
    named_scene_at,
    scene_at,
    scene_difference,
)

Pixels = NDArray[np.uint8]


class Case(NamedTuple):
    """A scene to draw, and the one it is judged against."""

    drawn: Scene
    expected: Scene


class Cell(NamedTuple):
    """One size and distortion."""

    size_px: int
    distortion: str


class Share(NamedTuple):
    """So many of so many."""

    hits: int
    total: int

    @property
    def percent(self) -> float:
        return 100 * self.hits / self.total


def clean(picture: Image.Image, _: int) -> Pixels:
    """The picture as drawn."""
    return np.asarray(picture)


def jpeg_quality_60(picture: Image.Image, _: int) -> Pixels:
    """The picture after JPEG with Pillow's default chroma subsampling (4:2:0)."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer).convert("RGB"))


def noise_20_db(picture: Image.Image, seed: int) -> Pixels:
    """The picture under Gaussian noise of 20 dB PSNR (standard deviation 25.5), clipped."""
    pixels = np.asarray(picture).astype(np.float64)
    noisy = pixels + np.random.default_rng(seed).normal(0, 25.5, pixels.shape)
    return noisy.clip(0, 255).round().astype(np.uint8)


DISTORTIONS: dict[str, Callable[[Image.Image, int], Pixels]] = {
    "clean": clean,
    "jpeg q60": jpeg_quality_60,
    "noise 20 dB": noise_20_db,
}
# At 32 px JPEG is not asked for: a small object is three chroma pixels wide.
CELLS = [Cell(32, "clean"), Cell(32, "noise 20 dB")] + [
    Cell(size_px, distortion) for size_px in (64, 128) for distortion in DISTORTIONS
]


def scene_indices() -> Iterator[int]:
    """Indices of all splits in turn, spread over each."""
    for number in range(10_000):
        for indices in SPLITS.values():
            yield indices[number * (len(indices) // 10_000)]


def right_cases() -> Iterator[Case]:
    """Scenes drawn as asked, in full."""
    for index in scene_indices():
        yield Case(scene_at(index), scene_at(index))


def named_cases() -> Iterator[Case]:
    """Scenes drawn as asked, judged on what the caption names."""
    for index in scene_indices():
        yield Case(scene_at(index), named_scene_at(index))


def nearest_colour() -> Iterator[Case]:
    """One object in the palette colour nearest to its own."""
    for scene, number in _scenes_with_object():
        colour = scene.objects[number].colour
        assert colour
        yield Case(_changed(scene, number, colour=_NEAREST_COLOUR[colour]), scene)


def most_similar_shape() -> Iterator[Case]:
    """One object in the shape whose outline covers most nearly the same pixels."""
    for scene, number in _scenes_with_object():
        shape, size = scene.objects[number].shape, scene.objects[number].size
        assert shape
        assert size
        yield Case(_changed(scene, number, shape=_MOST_SIMILAR_SHAPE[shape, size]), scene)


def next_size() -> Iterator[Case]:
    """One object a size smaller or larger."""
    for turn, (scene, number) in enumerate(_scenes_with_object()):
        size = scene.objects[number].size
        assert size
        steps = {"small": ("medium",), "medium": ("small", "large"), "large": ("medium",)}[size]
        yield Case(_changed(scene, number, size=steps[turn % len(steps)]), scene)


def swapped_places() -> Iterator[Case]:
    """Two objects in each other's places."""
    for scene in _scenes(2):
        yield Case(_swapped(scene), scene)


def swapped_relation() -> Iterator[Case]:
    """Two objects in each other's places, where the caption names their relation alone."""
    for index in scene_indices():
        named = named_scene_at(index)
        if named.relation is not None:
            yield Case(_swapped(scene_at(index)), named)


def one_missing() -> Iterator[Case]:
    """One object of two left out."""
    for turn, scene in enumerate(_scenes(2)):
        yield Case(scene._replace(objects=(scene.objects[turn % 2],)), scene)


def one_added() -> Iterator[Case]:
    """A second object beside the one that was asked for."""
    rng = np.random.default_rng(0)
    for scene in _scenes(1):
        taken = scene.objects[0].position
        free: list[Position] = [place for place in POSITIONS if place != taken]
        shape, colour, size, place = (int(rng.integers(count)) for count in (8, 8, 3, 8))
        added = WorldObject(SHAPES[shape], COLOURS[colour], SIZES[size], free[place])
        yield Case(scene._replace(objects=(*scene.objects, added)), scene)


WRONG_KINDS: dict[str, Callable[[], Iterator[Case]]] = {
    "nearest colour": nearest_colour,
    "most similar shape": most_similar_shape,
    "next size": next_size,
    "swapped places": swapped_places,
    "swapped relation": swapped_relation,
    "one missing": one_missing,
    "one added": one_added,
}


def accepted(cases: Iterator[Case], cell: Cell, count: int) -> Share:
    """How many drawings show no difference from what was expected."""
    distort = DISTORTIONS[cell.distortion]
    hits = 0
    for seed, case in enumerate(islice(cases, count)):
        pixels = distort(draw(case.drawn, cell.size_px), seed)
        hits += not scene_difference(case.expected, seen_scene(pixels))
    return Share(hits, count)


def _scenes(num_objects: int) -> Iterator[Scene]:
    return (
        scene for index in scene_indices() if len((scene := scene_at(index)).objects) == num_objects
    )


def _scenes_with_object() -> Iterator[tuple[Scene, int]]:
    for turn, index in enumerate(scene_indices()):
        scene = scene_at(index)
        yield scene, turn // 3 % len(scene.objects)


def _changed(scene: Scene, number: int, **change: str) -> Scene:
    objects = list(scene.objects)
    objects[number] = objects[number]._replace(**change)
    return scene._replace(objects=tuple(objects))


def _swapped(scene: Scene) -> Scene:
    first, second = scene.objects
    objects = (
        first._replace(position=second.position),
        second._replace(position=first.position),
    )
    return scene._replace(objects=objects)


def _rgb_distance(colour: Colour, other: Colour) -> float:
    return float(np.linalg.norm(np.subtract(COLOUR_RGB[colour], COLOUR_RGB[other])))


_NEAREST_COLOUR: dict[Colour, Colour] = {
    colour: min(
        (other for other in COLOURS if other != colour),
        key=lambda other, colour=colour: _rgb_distance(colour, other),
    )
    for colour in COLOURS
}


def _most_similar_shapes() -> dict[tuple[Shape, Size], Shape]:
    """For every shape and size the shape that covers most nearly the same pixels at 64 px."""
    masks = dict(zip(KINDS, templates(64).masks[4], strict=True))
    similar: dict[tuple[Shape, Size], Shape] = {}
    for (shape, size), mask in masks.items():
        distances: dict[Shape, float] = {
            other: float(np.linalg.norm(mask - masks[other, size]))
            for other in SHAPES
            if other != shape
        }
        similar[shape, size] = min(distances, key=lambda other: distances[other])
    return similar


_MOST_SIMILAR_SHAPE = _most_similar_shapes()


def _milliseconds(size_px: int) -> float:
    pictures = [np.asarray(draw(scene_at(index), size_px)) for index in range(200)]
    started = time.process_time()
    for picture in pictures:
        seen_scene(picture)
    return (time.process_time() - started) / len(pictures) * 1_000


def main() -> None:
    """Print one table row per kind of scene: percent accepted at every size and distortion."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000, help="scenes of each kind")
    count: int = parser.parse_args().count
    kinds = {"right, in full": right_cases, "right, as named": named_cases, **WRONG_KINDS}
    print(f"percent accepted, {count} scenes each")
    print("| scenes | " + " | ".join(f"{c.size_px} px {c.distortion}" for c in CELLS) + " |")
    print("|---" * (len(CELLS) + 1) + "|")
    for kind, cases in kinds.items():
        shares = [accepted(cases(), cell, count) for cell in CELLS]
        print(f"| {kind} | " + " | ".join(f"{share.percent:.2f}" for share in shares) + " |")
    for size_px in (32, 64, 128, 256):
        print(f"{size_px} px: {_milliseconds(size_px):.2f} CPU ms a picture")


if __name__ == "__main__":
    main()
