"""How a seen scene differs from the expected one; no difference means that the drawing is right."""

from collections.abc import Iterator
from itertools import permutations
from typing import Literal, NamedTuple

from vargpt_schema.world.scene import Scene, WorldObject, relations_between
from vargpt_schema.world.vocabulary import Relation

DifferenceKind = Literal[
    "unreadable",
    "background",
    "shape",
    "colour",
    "size",
    "position",
    "relation",
    "missing",
    "added",
]
ATTRIBUTES: tuple[Literal["shape", "colour", "size", "position"], ...] = (
    "shape",
    "colour",
    "size",
    "position",
)
_OPPOSITE: dict[Relation, Relation] = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
}


class Difference(NamedTuple):
    """One way in which a drawing is not what was asked for."""

    kind: DifferenceKind
    about: str  # the expected object ("red circle"), or "picture"
    expected: str | None
    seen: str | None


class _Match(NamedTuple):
    expected: WorldObject | None
    seen: WorldObject | None


def scene_difference(expected: Scene, seen: Scene | None) -> tuple[Difference, ...]:
    """What is wrong with a seen scene, judged on what the expected one names.

    Objects are matched so that the differences are fewest. None (no scene could be read) is one
    difference, "unreadable".
    """
    if seen is None:
        return (Difference("unreadable", "picture", None, None),)
    found = []
    if expected.background is not None and expected.background != seen.background:
        found.append(Difference("background", "picture", expected.background, seen.background))
    best = min(_matchings(expected.objects, seen.objects), key=lambda ms: sum(map(_cost, ms)))
    for match in best:
        found.extend(_object_differences(match))
    found.extend(_relation_differences(expected, best))
    return tuple(found)


def _matchings(
    expected: tuple[WorldObject, ...], seen: tuple[WorldObject, ...]
) -> Iterator[tuple[_Match, ...]]:
    """Every way to give each expected object a seen one, as far as they go; the rest is added."""
    padded = (*range(len(seen)), *(None,) * (len(expected) - len(seen)))
    for order in permutations(padded, len(expected)):
        matches = [
            _Match(thing, None if number is None else seen[number])
            for thing, number in zip(expected, order, strict=True)
        ]
        added = [_Match(None, thing) for number, thing in enumerate(seen) if number not in order]
        yield (*matches, *added)


def _cost(match: _Match) -> int:
    return len(_object_differences(match))


def _object_differences(match: _Match) -> list[Difference]:
    expected, seen = match
    if expected is None:
        return [] if seen is None else [Difference("added", _words(seen), None, _words(seen))]
    if seen is None:
        return [Difference("missing", _words(expected), _words(expected), None)]
    return [
        Difference(attribute, _words(expected), wanted, getattr(seen, attribute))
        for attribute in ATTRIBUTES
        if (wanted := getattr(expected, attribute)) not in (None, getattr(seen, attribute))
    ]


def _relation_differences(expected: Scene, matching: tuple[_Match, ...]) -> list[Difference]:
    """The named relation that does not hold, or an implied one that is turned round."""
    if len(expected.objects) != 2:
        return []
    (first, seen_first), (second, seen_second) = matching[:2]
    if first is None or second is None or seen_first is None or seen_second is None:
        return []
    if seen_first.position is None or seen_second.position is None:
        return []
    holds = relations_between(seen_first.position, seen_second.position)
    wanted: list[Relation] = []
    if expected.relation is not None and expected.relation not in holds:
        wanted.append(expected.relation)
    elif first.position is not None and second.position is not None:
        implied = relations_between(first.position, second.position)
        wanted.extend(sorted(word for word in implied if _OPPOSITE[word] in holds))
    seen = " and ".join(sorted(holds)) or None
    return [Difference("relation", _words(first), word, seen) for word in wanted]


def _words(thing: WorldObject) -> str:
    known = (thing.size, thing.colour, thing.shape)
    return " ".join(word for word in known if word is not None) or "object"
