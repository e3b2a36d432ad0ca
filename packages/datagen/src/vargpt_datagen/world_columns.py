"""Scenes and captions of the sample world for a million indices: whole columns at once.

What `world.label_at`, `scene_numbers` and `caption_at` say of one index, with their tables, ten
times as fast; tests hold the two equal.

N indices of one split, training or validation
"""

import re
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.splitmix import mixed
from vargpt_schema import world
from vargpt_schema.compute import pc
from vargpt_schema.world import captions, scene, wordings

_CLASSES = np.array(scene.CLASSES)  # (1000, 2) kind, background
_HELD_OUT_PLACES = np.frombuffer(scene.HELD_OUT_PLACES, np.uint8).astype(np.int64)
_WITHIN_BLOCK = np.array(scene.WITHIN_BLOCK)
_CLASS_ORDER = np.array(scene.CLASS_ORDER)
_TRAINED_PAIRS = np.array(scene.TRAINED_PAIRS)
_SLOT = re.compile(r"\{([a-z.]+)\}")

# Every wording once: the last pool begins with the one for two objects that are alike.
_POOLS = (wordings.FULL_ONE, wordings.FULL_TWO, wordings.SHORT_ONE, wordings.SHORT_TWO)
_WORDINGS = tuple(wording.text for pool in _POOLS for wording in pool)
_POOL_STARTS = np.cumsum([0, *map(len, _POOLS)])[: len(_POOLS)]
_POOL_SIZES = np.array([*map(len, _POOLS), len(wordings.SHORT_TWO_ALIKE)])
_FULL_ONE, _FULL_TWO, _SHORT_ONE, _SHORT_TWO, _SHORT_TWO_ALIKE = range(5)


class SceneColumns(NamedTuple):
    """(N,) int64 each, as `world.scene.SceneNumbers`."""

    labels: np.ndarray
    backgrounds: np.ndarray
    firsts: np.ndarray
    seconds: np.ndarray  # -1: none


def scene_columns(indices: np.ndarray, split: scene.Split) -> SceneColumns:
    """The scenes of (N,) int64 indices of one split, "train" or "validation"."""
    labels = _labels(indices, scene.SPLITS[split].start)
    kinds, backgrounds = _CLASSES[labels].T
    chance = mixed(indices.astype(np.uint64))
    places = _HELD_OUT_PLACES[kinds * 6 + backgrounds]
    if split == "train":
        places = (places + 1 + _below(chance, 8)) % 9
    seconds = np.full(len(indices), -1)
    is_open = (chance >> np.uint64(3) & np.uint64(1)).astype(bool)
    while is_open.any():
        chance[is_open] = drawn = mixed(chance[is_open])
        pairs = _TRAINED_PAIRS[_below(drawn, 56)]
        others = pairs * 3 + _below(drawn >> np.uint64(8), 3)
        other_places = (places[is_open] + 1 + _below(drawn >> np.uint64(16), 8)) % 9
        is_good = pairs != kinds[is_open] // 3
        if split == "train":
            held_out = _HELD_OUT_PLACES[others * 6 + backgrounds[is_open]]
            is_good &= other_places != held_out
        at = np.flatnonzero(is_open)[is_good]
        seconds[at] = (others * 9 + other_places)[is_good]
        is_open[at] = False
    return SceneColumns(labels, backgrounds, kinds * 9 + places, seconds)


def caption_column(indices: np.ndarray, scenes: SceneColumns) -> pa.Array:
    """(N,) the captions of these scenes."""
    chance = mixed(~indices.astype(np.uint64))
    chosen = _wordings(indices, scenes, chance)
    relations = _relations(scenes, chance)
    order = np.argsort(chosen, kind="stable")
    ends = np.cumsum(np.bincount(chosen, minlength=len(_WORDINGS))).tolist()
    texts = [pa.array([], pa.string())]
    for wording, (start, end) in zip(_WORDINGS, pairwise([0, *ends]), strict=True):
        if start < end:
            texts.append(_filled(wording, order[start:end], scenes, relations))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return pa.concat_arrays(texts).take(pa.array(places))


def _labels(indices: np.ndarray, split_start: int) -> np.ndarray:
    blocks, places = np.divmod(indices - split_start, world.NUM_CLASSES)
    found, at = np.unique(blocks, return_inverse=True)
    orders = [scene.block_order(split_start, block) for block in found.tolist()]
    strides, offsets = np.array(orders, np.int64).reshape(-1, 2).T
    return _CLASS_ORDER[(_WITHIN_BLOCK[places] * strides[at] + offsets[at]) % world.NUM_CLASSES]


def _wordings(indices: np.ndarray, scenes: SceneColumns, chance: np.ndarray) -> np.ndarray:
    """Which wording each caption has."""
    first, second = scenes.firsts, scenes.seconds
    is_alike = (first // 216 == second // 216) | (first // 27 % 8 == second // 27 % 8)
    short_two = np.where(is_alike, _SHORT_TWO_ALIKE, _SHORT_TWO)
    has_two = second >= 0
    pools = np.where(
        indices % 4 != 3,
        np.where(has_two, _FULL_TWO, _FULL_ONE),
        np.where(has_two, short_two, _SHORT_ONE),
    )
    within = (chance >> np.uint64(8)) % _POOL_SIZES[pools].astype(np.uint64)
    return _POOL_STARTS[np.minimum(pools, _SHORT_TWO)] + within.astype(np.int64)


def _relations(scenes: SceneColumns, chance: np.ndarray) -> np.ndarray:
    """The relation of the first object to the second, as a place in RELATIONS."""
    table, sizes = _relation_table()
    pairs = scenes.firsts % 9 * 9 + scenes.seconds % 9
    return table[pairs, (chance % sizes[pairs].astype(np.uint64)).astype(np.int64)]


def _filled(
    wording: str, rows: np.ndarray, scenes: SceneColumns, relations: np.ndarray
) -> pa.Array:
    """One wording with the words of these rows."""
    columns = {
        "a": scenes.firsts,
        "b": scenes.seconds,
        "ground": scenes.backgrounds,
        "relation": relations,
    }
    parts: list[str | pa.Array] = [*_SLOT.split(wording)]
    for place in range(1, len(parts), 2):  # literals and slots take turns
        thing, _, name = str(parts[place]).partition(".")
        parts[place] = _words(name or thing).take(pa.array(columns[thing][rows]))
    return pc.binary_join_element_wise(*parts, "")


@cache
def _words(slot: str) -> pa.Array:
    """What a slot can hold."""
    if slot == "ground":
        return pa.array(world.BACKGROUNDS)
    if slot == "relation":
        return pa.array(world.RELATIONS)
    return pa.array([getattr(words, slot) for words in captions.WORDS])


@cache
def _relation_table() -> tuple[np.ndarray, np.ndarray]:
    """(81, 2) relations of two places and (81,) how many there are; 1 for a place with itself."""
    table, sizes = np.zeros((81, 2), np.int64), np.ones(81, np.int64)
    for first, row in enumerate(captions.PLACE_RELATIONS):
        for second, found in enumerate(row):
            at = first * 9 + second
            table[at, : len(found)] = [world.RELATIONS.index(each) for each in found]
            sizes[at] = max(len(found), 1)
    return table, sizes


def _below(chance: np.ndarray, size: int) -> np.ndarray:
    return (chance % np.uint64(size)).astype(np.int64)
