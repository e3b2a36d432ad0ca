"""Images of the sample world as columns."""

import hashlib
import json
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.caption_columns import Split
from vargpt_datagen.caption_source import WORLD_VERSION
from vargpt_datagen.world_columns import caption_column, scene_columns
from vargpt_schema import world
from vargpt_schema.compute import pc

_SAMPLE_STEP = 9_973

_CLASS_NAMES = pa.array(map(world.class_name, range(world.NUM_CLASSES)), pa.string())


def world_fingerprint(split: Split, *, captions: bool) -> str:
    """Sha256 that changes when the world does: of its version and of a sample of what it gives."""
    sample = np.arange(0, len(world.SPLITS[split]), _SAMPLE_STEP)
    rows = world_rows(sample, split=split, captions=captions).to_pylist()
    return hashlib.sha256(json.dumps([WORLD_VERSION, split, rows]).encode()).hexdigest()


def world_rows(rows: np.ndarray, *, split: Split, captions: bool) -> pa.Table:
    """image_id, image, label, wnid (null), class_name, caption (null unless asked for)."""
    indices = world.SPLITS[split].start + rows.astype(np.int64)
    scenes = scene_columns(indices, split)
    digits = pc.utf8_lpad(pc.cast(pa.array(indices), pa.string()), 8, "0")
    nulls = pa.nulls(len(indices), pa.string())
    return pa.table(
        {
            "image_id": pc.binary_join_element_wise("world-", digits, ""),
            "image": pc.binary_join_element_wise("world/", digits, ".png", ""),
            "label": pa.array(scenes.labels),
            "wnid": nulls,
            "class_name": _CLASS_NAMES.take(pa.array(scenes.labels)),
            "caption": caption_column(indices, scenes) if captions else nulls,
        }
    )


class Scenes(NamedTuple):
    """(N,) what a split of the world has for some image ids."""

    is_foreign: pa.Array  # no scene of the split has this id
    rows: pa.Table  # as `world_rows`; of a foreign id those of the split's first scene


def scenes_of(image_ids: pa.Array, split: Split, *, captions: bool) -> Scenes:
    """The scenes that have these ids."""
    found = pc.extract_regex(image_ids, r"^world-(?P<digits>\d{8})$")
    indices = pc.cast(pc.struct_field(found, "digits"), pa.int64())
    span = world.SPLITS[split]
    is_known = pc.and_(pc.greater_equal(indices, span.start), pc.less(indices, span.stop))
    is_known = pc.fill_null(is_known, False)
    rows = pc.subtract(pc.if_else(is_known, indices, span.start), span.start).to_numpy()
    return Scenes(pc.invert(is_known), world_rows(rows, split=split, captions=captions))
