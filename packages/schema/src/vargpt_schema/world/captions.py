"""Captions of the sample world: full ones name all that the picture shows, short ones less.

A caption is a wording filled with an object's words. What it names follows from the wording alone,
so the partial scene that a drawing is scored against is exact.
"""

from typing import NamedTuple

from vargpt_schema.world.hashing import mixed
from vargpt_schema.world.scene import OBJECTS, Scene, SceneNumbers, WorldObject, scene_numbers
from vargpt_schema.world.vocabulary import BACKGROUNDS, POSITIONS, RELATIONS, Relation
from vargpt_schema.world.wordings import (
    FULL_ONE,
    FULL_TWO,
    SHORT_ONE,
    SHORT_TWO,
    SHORT_TWO_ALIKE,
    Wording,
)


class ObjectWords(NamedTuple):
    """How captions speak of one object."""

    full: str  # "a small orange circle"
    bare: str  # "small orange circle"
    coloured: str  # "an orange circle"
    sized: str  # "a small circle"
    shape: str  # "a circle"
    colour: str  # "an orange shape"
    place: str  # "top left"


def _words_of(thing: WorldObject) -> ObjectWords:
    an = "an" if thing.colour == "orange" else "a"
    return ObjectWords(
        full=f"a {thing.size} {thing.colour} {thing.shape}",
        bare=f"{thing.size} {thing.colour} {thing.shape}",
        coloured=f"{an} {thing.colour} {thing.shape}",
        sized=f"a {thing.size} {thing.shape}",
        shape=f"a {thing.shape}",
        colour=f"{an} {thing.colour} shape",
        place=str(thing.position),
    )


WORDS = tuple(_words_of(thing) for thing in OBJECTS)


def _place_relations(first: int, second: int) -> tuple[Relation, ...]:
    """The relations of one place number to another, across before down."""
    (row, column), (other_row, other_column) = divmod(first, 3), divmod(second, 3)
    left, right, above, below = RELATIONS
    across = () if column == other_column else (left if column < other_column else right,)
    return (*across, *(() if row == other_row else (above if row < other_row else below,)))


PLACE_RELATIONS = tuple(
    tuple(_place_relations(first, second) for second in range(len(POSITIONS)))
    for first in range(len(POSITIONS))
)


def caption_at(index: int) -> str:
    """The caption of an index: lower case, ASCII, 4 to 24 words, no final period."""
    numbers = scene_numbers(index)
    background, first, second = numbers
    chance = mixed(~index)
    wording = _wording(index, numbers, chance)
    if second is None:
        return wording.text.format(a=WORDS[first], ground=BACKGROUNDS[background])
    return wording.text.format(
        a=WORDS[first],
        b=WORDS[second],
        ground=BACKGROUNDS[background],
        relation=_relation(first, second, chance),
    )


def named_scene_at(index: int) -> Scene:
    """Exactly what `caption_at(index)` names: equal to `scene_at(index)` for a full caption."""
    numbers = scene_numbers(index)
    background, first, second = numbers
    chance = mixed(~index)
    wording = _wording(index, numbers, chance)
    things = (first,) if second is None else (first, second)
    relation = None
    if second is not None and wording.names_relation_only:
        relation = _relation(first, second, chance)
    return Scene(
        BACKGROUNDS[background] if "background" in wording.names else None,
        tuple(_named(OBJECTS[thing], wording.names) for thing in things),
        relation,
    )


def _wording(index: int, numbers: SceneNumbers, chance: int) -> Wording:
    _, first, second = numbers
    if index % 4 != 3:
        wordings = FULL_ONE if second is None else FULL_TWO
    elif second is None:
        wordings = SHORT_ONE
    else:
        # Naming the shapes or the colours alone would not tell these two objects apart.
        is_alike = first // 216 == second // 216 or first // 27 % 8 == second // 27 % 8
        wordings = SHORT_TWO_ALIKE if is_alike else SHORT_TWO
    return wordings[(chance >> 8) % len(wordings)]


def _relation(first: int, second: int, chance: int) -> Relation:
    relations = PLACE_RELATIONS[first % 9][second % 9]
    return relations[chance % len(relations)]


def _named(thing: WorldObject, names: frozenset[str]) -> WorldObject:
    return WorldObject(
        shape=thing.shape if "shape" in names else None,
        colour=thing.colour if "colour" in names else None,
        size=thing.size if "size" in names else None,
        position=thing.position if "position" in names else None,
    )
