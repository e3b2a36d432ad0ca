"""The sample world as columns against the world one index at a time."""

import numpy as np
import pyarrow as pa
import pytest

from vargpt_datagen.splitmix import mixed
from vargpt_datagen.world_columns import caption_column, scene_columns
from vargpt_datagen.world_images import scenes_of
from vargpt_schema import world
from vargpt_schema.world.hashing import mixed as mixed_one
from vargpt_schema.world.scene import Split, scene_numbers

SPLITS: tuple[Split, ...] = ("train", "validation")


def some_indices(split: Split) -> np.ndarray:
    """Both ends of a split, whole blocks of classes, and others from anywhere, in no order."""
    span = world.SPLITS[split]
    ends = [*span[:2_000], *span[-2_000:]]
    chance = np.random.default_rng(0)
    return chance.permutation(np.array([*ends, *chance.integers(span.start, span.stop, 8_000)]))


@pytest.mark.parametrize("split", SPLITS)
def test_columns_are_what_the_world_says_of_each_index(split):
    indices = some_indices(split)
    scenes = scene_columns(indices, split)
    each = indices.tolist()
    assert scenes.labels.tolist() == [world.label_at(index) for index in each]
    numbers = zip(*(column.tolist() for column in scenes[1:]), strict=True)
    assert [
        (background, first, None if second == -1 else second)
        for background, first, second in numbers
    ] == [scene_numbers(index) for index in each]
    captions = caption_column(indices, scenes).to_pylist()
    assert captions == [world.caption_at(index) for index in each]


def test_columns_of_no_indices_are_empty():
    scenes = scene_columns(np.empty(0, np.int64), "train")
    assert [len(column) for column in scenes] == [0, 0, 0, 0]
    assert len(caption_column(np.empty(0, np.int64), scenes)) == 0


def test_the_hash_of_many_values_is_that_of_each():
    values = [0, 1, 2**63, 2**64 - 1, 1_281_166]
    assert mixed(np.array(values, np.uint64)).tolist() == [mixed_one(value) for value in values]


def test_ids_of_no_scene_of_the_split_are_foreign():
    ids = ["world-00000000", "world-02000000", "world-01281166", "world-01281167", "world-1", None]
    is_foreign, scenes = scenes_of(pa.array(ids), "train", captions=True)
    assert is_foreign.to_pylist() == [False, True, False, True, True, True]
    assert scenes.column("caption")[2].as_py() == world.caption_at(1_281_166)
    assert scenes.column("image")[2].as_py() == "world/01281166.png"
