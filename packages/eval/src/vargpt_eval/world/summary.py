"""Shares of right drawings, overall and by what the prompt named."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from vargpt_schema.world import ATTRIBUTES, Difference, Scene, Split

TASK = "world"

# What an attribute's share asks for; an object that is missing is wrong in every attribute.
_WRONG_IN: dict[str, set[str]] = {
    "background": {"background", "unreadable"},
    **{attribute: {attribute, "missing", "unreadable"} for attribute in ATTRIBUTES},
    "colour_and_shape": {"colour", "shape", "missing", "unreadable"},
    "relation": {"relation", "missing", "unreadable"},
    "count": {"missing", "added", "unreadable"},
}


class Judged(NamedTuple):
    """One scored drawing."""

    split: Split
    expected: Scene
    differences: tuple[Difference, ...]
    error: str | None  # "missing" or "undecodable": no pixels were read


def summary_of(judged: Sequence[Judged]) -> dict[str, Any]:
    """JSON-ready figures; every share comes with its n and 95 % Wilson interval."""
    splits = sorted({drawing.split for drawing in judged})
    counts = sorted({len(drawing.expected.objects) for drawing in judged})
    errors = Counter(drawing.error for drawing in judged)
    kinds = Counter(kind for drawing in judged for kind in _kinds(drawing))
    return {
        "right": wilson_share(not one.differences for one in judged),
        "opened": wilson_share(one.error != "missing" for one in judged),
        "by_split": {
            split: wilson_share(not one.differences for one in judged if one.split == split)
            for split in splits
        },
        "by_num_objects": {
            str(count): wilson_share(
                not one.differences for one in judged if len(one.expected.objects) == count
            )
            for count in counts
        },
        "by_attribute": {
            attribute: wilson_share(
                wrong.isdisjoint(_kinds(one)) for one in judged if _names(one.expected, attribute)
            )
            for attribute, wrong in _WRONG_IN.items()
        },
        "num_missing": errors["missing"],
        "num_undecodable": errors["undecodable"],
        "num_unreadable": kinds["unreadable"] - errors["missing"],  # undecodable ones included
        "num_with_difference": dict(sorted(kinds.items())),
    }


def wilson_share(hits: Iterable[bool]) -> dict[str, Any]:
    """Share, its n and its 95 % Wilson interval; value and interval are None when n is 0."""
    outcomes = list(hits)
    n = len(outcomes)
    if n == 0:
        return {"value": None, "n": 0, "ci95": None}
    value, z = sum(outcomes) / n, 1.959964
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * math.sqrt(value * (1 - value) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    interval = [round(max(0.0, centre - reach), 6), round(min(1.0, centre + reach), 6)]
    return {"value": round(value, 6), "n": n, "ci95": interval}


def _kinds(drawing: Judged) -> set[str]:
    return {difference.kind for difference in drawing.differences}


def _names(expected: Scene, attribute: str) -> bool:
    if attribute == "count":
        return True
    if attribute == "background":
        return expected.background is not None
    if attribute == "relation":
        is_placed = all(thing.position is not None for thing in expected.objects)
        return expected.relation is not None or (len(expected.objects) == 2 and is_placed)
    named = attribute.split("_and_")
    return any(getattr(thing, name) is not None for thing in expected.objects for name in named)
