"""The wordings of captions, each with what it names; at most 24 words once filled."""

import re
from typing import NamedTuple

# What each slot of a wording tells of the picture.
_SLOT_NAMES: dict[str, tuple[str, ...]] = {
    "full": ("size", "colour", "shape"),
    "bare": ("size", "colour", "shape"),
    "coloured": ("colour", "shape"),
    "sized": ("size", "shape"),
    "shape": ("shape",),
    "colour": ("colour",),
    "place": ("position",),
    "ground": ("background",),
    "relation": ("relation",),
}


class Wording(NamedTuple):
    """A format string over `a`, `b` (object words), `ground` and `relation`, and what it names."""

    text: str
    names: frozenset[str]
    names_relation_only: bool  # the relation, but not the positions that imply it


def _wordings(lines: str) -> tuple[Wording, ...]:
    found = []
    for line in lines.strip().splitlines():
        slots = [slot.rpartition(".")[2] for slot in re.findall(r"\{([a-z.]+)\}", line)]
        names = frozenset(name for slot in slots for name in _SLOT_NAMES[slot])
        found.append(Wording(line.strip(), names, "relation" in names and "position" not in names))
    return tuple(found)


FULL_ONE = _wordings("""
    {a.full} at the {a.place} on a {ground} background
    {a.full} at the {a.place} of a {ground} background
    {a.full} at the {a.place} against a {ground} background
    {a.full} on a {ground} background at the {a.place}
    {a.full} alone at the {a.place} of a {ground} background
    {a.full} drawn at the {a.place} on a {ground} background
    {a.full} is at the {a.place} on a {ground} background
    {a.full} sits at the {a.place} of a {ground} background
    {a.full} is placed at the {a.place} against a {ground} background
    {a.full} at the {a.place}, {ground} background
    a {ground} background with {a.full} at the {a.place}
    a plain {ground} background with {a.full} at the {a.place}
    a flat {ground} background and {a.full} at the {a.place}
    a picture of {a.full} at the {a.place} on a {ground} background
    a drawing of {a.full} at the {a.place} on a {ground} background
    a simple picture with {a.full} at the {a.place} on a {ground} background
    an image of {a.full} on a {ground} background at the {a.place}
    one {a.bare} at the {a.place} on a {ground} background
    a single {a.bare} at the {a.place} of a {ground} background
    there is {a.full} at the {a.place} on a {ground} background
    on a {ground} background there is {a.full} at the {a.place}
    at the {a.place} of a {ground} background, {a.full}
    nothing but {a.full} at the {a.place} of a {ground} background
    in the picture {a.full} is at the {a.place} on a {ground} background
""")

FULL_TWO = _wordings("""
    {a.full} at the {a.place} and {b.full} at the {b.place} on a {ground} background
    {b.full} at the {b.place} and {a.full} at the {a.place} on a {ground} background
    {a.full} at the {a.place} and {b.full} at the {b.place} against a {ground} background
    {a.full} at the {a.place} with {b.full} at the {b.place} on a {ground} background
    {a.full} at the {a.place} {relation} {b.full} at the {b.place} on a {ground} background
    {a.full} at the {a.place} is {relation} {b.full} at the {b.place} on a {ground} background
    {a.full} at the {a.place}, {relation} {b.full} at the {b.place}, on a {ground} background
    {a.full} at the {a.place}, {b.full} at the {b.place}, {ground} background
    {b.full} at the {b.place}, {a.full} at the {a.place}, {ground} background
    a {ground} background with {a.full} at the {a.place} and {b.full} at the {b.place}
    a {ground} background with {b.full} at the {b.place} and {a.full} at the {a.place}
    a plain {ground} background, {a.full} at the {a.place}, {b.full} at the {b.place}
    a picture of {a.full} at the {a.place} and {b.full} at the {b.place} on a {ground} background
    on a {ground} background, {a.full} at the {a.place} and {b.full} at the {b.place}
    on a {ground} background, {a.full} at the {a.place} is {relation} {b.full} at the {b.place}
    there is {a.full} at the {a.place} and {b.full} at the {b.place} on a {ground} background
    two shapes on a {ground} background, {a.full} at the {a.place} and {b.full} at the {b.place}
    at the {a.place} {a.full} and at the {b.place} {b.full} on a {ground} background
""")

SHORT_ONE = _wordings("""
    {a.full} on a {ground} background
    {a.full} at the {a.place}
    {a.full}
    {a.coloured} on a {ground} background
    {a.coloured} at the {a.place}
    {a.sized} on a {ground} background
    {a.sized} at the {a.place}
    {a.shape} on a {ground} background
    {a.shape} at the {a.place}
    {a.colour} on a {ground} background
    {a.colour} is at the {a.place}
    a picture of {a.coloured}
    a drawing of {a.coloured}
    a drawing of {a.shape}
    a picture of {a.shape} at the {a.place}
    there is {a.coloured} on a {ground} background
    a {ground} background with {a.coloured}
""")

SHORT_TWO_ALIKE = _wordings("""
    {a.full} and {b.full}
    {a.full} and {b.full} on a {ground} background
    {a.coloured} and {b.coloured}
    {b.coloured} and {a.coloured}
    {a.coloured} and {b.coloured} on a {ground} background
    {a.coloured} {relation} {b.coloured}
    {a.coloured} is {relation} {b.coloured}
    {a.coloured} {relation} {b.coloured} on a {ground} background
    {a.coloured} at the {a.place} and {b.coloured} at the {b.place}
    a drawing of {a.coloured} and {b.coloured}
    two shapes on a {ground} background
""")

SHORT_TWO = (
    *SHORT_TWO_ALIKE,
    *_wordings("""
    {a.shape} and {b.shape} on a {ground} background
    {a.shape} {relation} {b.shape}
    {a.shape} is {relation} {b.shape}
    {a.sized} and {b.sized}
    {a.sized} {relation} {b.sized} on a {ground} background
    {a.colour} and {b.colour}
    {a.colour} and {b.colour} on a {ground} background
    {a.colour} is {relation} {b.colour}
"""),
)
