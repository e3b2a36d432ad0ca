"""Scenes of the sample world: the pure function from an index to what its picture shows."""

from functools import lru_cache
from typing import Literal, NamedTuple

from vargpt_schema.errors import UserError
from vargpt_schema.world.hashing import mixed, shuffled
from vargpt_schema.world.vocabulary import (
    BACKGROUNDS,
    COLOURS,
    POSITIONS,
    SHAPES,
    SIZES,
    WITHHELD_PAIRS,
    Background,
    Colour,
    Position,
    Relation,
    Shape,
    Size,
)

Split = Literal["train", "validation", "withheld"]

# As many training and validation images as ImageNet-1k, so that builds have the paper's sizes.
SPLITS: dict[Split, range] = {
    "train": range(1_281_167),
    "validation": range(2_000_000, 2_050_000),
    "withheld": range(3_000_000, 3_010_000),
}
NUM_CLASSES = 1_000
_TRAIN_END = SPLITS["train"].stop


class WorldObject(NamedTuple):
    """One drawn object; None in a partial scene means "not named"."""

    shape: Shape | None
    colour: Colour | None
    size: Size | None
    position: Position | None


class Scene(NamedTuple):
    """One picture's content, one or two objects; None means "not named" (a partial scene)."""

    background: Background | None
    objects: tuple[WorldObject, ...]
    # Of the first object to the second, where a caption names it without positions.
    relation: Relation | None = None


class SceneNumbers(NamedTuple):
    """A scene as numbers: the background's and the objects' places in their tables."""

    background: int
    first: int  # index into OBJECTS
    second: int | None


OBJECTS: tuple[WorldObject, ...] = tuple(
    WorldObject(shape, colour, size, position)
    for shape in SHAPES
    for colour in COLOURS
    for size in SIZES
    for position in POSITIONS
)
_PAIRS = [(shape, colour) for shape in SHAPES for colour in COLOURS]  # as OBJECTS counts them
_WITHHELD = tuple(_PAIRS.index(pair) for pair in WITHHELD_PAIRS)
TRAINED_PAIRS = tuple(number for number in range(len(_PAIRS)) if number not in _WITHHELD)

# A "kind" is pair * 3 + size; with a background it makes a class. One of every 126 is left out
# (one per shape), so that exactly 1,000 classes remain.
CLASSES = tuple(
    (pair * 3 + size, background)
    for number, (pair, size, background) in enumerate(
        (pair, size, background)
        for pair in TRAINED_PAIRS
        for size in range(3)
        for background in range(len(BACKGROUNDS))
    )
    if number % 126 != 125
)

# Each kind on each background is never drawn in this one place in training; validation's first
# object always stands there, so no validation scene occurs in training.
HELD_OUT_PLACES = bytes(
    mixed((7 << 32) + number) % 9 for number in range(len(_PAIRS) * 3 * len(BACKGROUNDS))
)
WITHIN_BLOCK = shuffled(NUM_CLASSES, seed=1)
CLASS_ORDER = shuffled(NUM_CLASSES, seed=2)
_STRIDES = tuple(stride for stride in range(1, NUM_CLASSES) if stride % 2 and stride % 5)


def split_of(index: int) -> Split:
    """The split that an index belongs to; ValueError outside all of them."""
    for split, indices in SPLITS.items():
        if index in indices:
            return split
    raise ValueError(f"index {index} is in no split of the sample world; see SPLITS")


def label_at(index: int) -> int | None:
    """Class of the first object; None in the withheld split.

    Every 1,000 indices in a row, counted from a split's start, hold each class once.
    """
    split = split_of(index)
    return None if split == "withheld" else _label(index, SPLITS[split].start)


def class_name(label: int) -> str:
    """What a class shows: "small red circle on a white background"."""
    kind, background = CLASSES[label]
    thing = OBJECTS[kind * 9]
    return f"{thing.size} {thing.colour} {thing.shape} on a {BACKGROUNDS[background]} background"


def scene_at(index: int) -> Scene:
    """The scene of an index; ValueError outside every split."""
    background, first, second = scene_numbers(index)
    if second is None:
        return Scene(BACKGROUNDS[background], (OBJECTS[first],))
    return Scene(BACKGROUNDS[background], (OBJECTS[first], OBJECTS[second]))


def scene_numbers(index: int) -> SceneNumbers:
    """The scene of an index as numbers."""
    chance = mixed(index)
    if 0 <= index < _TRAIN_END:
        kind, background = CLASSES[_label(index, 0)]
        held_out = HELD_OUT_PLACES[kind * 6 + background]
        place = (held_out + 1 + chance % 8) % 9
        trains = True
    else:
        kind, background, place = _held_out_first(index, chance)
        trains = False
    first = kind * 9 + place
    if not chance >> 3 & 1:
        return SceneNumbers(background, first, None)
    while True:
        chance = mixed(chance)
        pair = TRAINED_PAIRS[chance % 56]
        other_kind = pair * 3 + (chance >> 8) % 3
        other_place = (place + 1 + (chance >> 16) % 8) % 9
        if pair == kind // 3:
            continue
        if trains and other_place == HELD_OUT_PLACES[other_kind * 6 + background]:
            continue
        return SceneNumbers(background, first, other_kind * 9 + other_place)


@lru_cache(maxsize=128)
def relations_between(first: Position, second: Position) -> frozenset[Relation]:
    """Every relation that the first position has to the second."""
    first_row, first_column = divmod(POSITIONS.index(first), 3)
    second_row, second_column = divmod(POSITIONS.index(second), 3)
    found: set[Relation] = set()
    if first_column != second_column:
        found.add("left of" if first_column < second_column else "right of")
    if first_row != second_row:
        found.add("above" if first_row < second_row else "below")
    return frozenset(found)


def image_id(index: int) -> str:
    """`world-00000042`, the id of every table."""
    return f"world-{index:08d}"


def image_path(index: int) -> str:
    """`world/00000042.png`, relative to an image root."""
    return f"world/{index:08d}.png"


def index_of(image_id: str) -> int:
    """The index of an image id; UserError when no scene of the sample world has that id."""
    digits = image_id.removeprefix("world-")
    if len(digits) == 8 and image_id.startswith("world-") and digits.isascii() and digits.isdigit():
        index = int(digits)
        if any(index in indices for indices in SPLITS.values()):
            return index
    raise UserError(
        f"image_id: {image_id!r} found, an id of the sample world such as 'world-00000042' "
        "expected. Give a file that was built from the sample world."
    )


def _label(index: int, split_start: int) -> int:
    block, place = divmod(index - split_start, NUM_CLASSES)
    stride, offset = block_order(split_start, block)
    return CLASS_ORDER[(WITHIN_BLOCK[place] * stride + offset) % NUM_CLASSES]


@lru_cache(maxsize=2_048)  # every block of every split
def block_order(split_start: int, block: int) -> tuple[int, int]:
    """Stride and offset by which a block of 1,000 indices goes through the classes."""
    chance = mixed((split_start << 20) + (3 << 60) + block)
    return _STRIDES[chance % 400], chance >> 32


def _held_out_first(index: int, chance: int) -> tuple[int, int, int]:
    """Kind, background and place of a validation or withheld scene's first object."""
    split = split_of(index)
    if split == "validation":
        kind, background = CLASSES[_label(index, SPLITS[split].start)]
        return kind, background, HELD_OUT_PLACES[kind * 6 + background]
    pair = _WITHHELD[
        (index + index // 8) % 8
    ]  # no pair tied to index % 4, which makes captions short
    kind = pair * 3 + (chance >> 8) % 3
    return kind, (chance >> 16) % 6, (chance >> 24) % 9
