"""Images of the sample world as columns."""

import hashlib
import json

import numpy as np
import pyarrow as pa

from vargpt_datagen.caption_columns import Split
from vargpt_datagen.caption_source import WORLD_VERSION
from vargpt_schema import world

_SAMPLE_STEP = 9_973

_CLASS_NAMES = pa.array(map(world.class_name, range(world.NUM_CLASSES)), pa.string())


def world_fingerprint(split: Split, *, captions: bool) -> str:
    """Sha256 that changes when the world does: of its version and of a sample of what it gives."""
    sample = np.arange(0, len(world.SPLITS[split]), _SAMPLE_STEP)
    rows = world_rows(sample, split=split, captions=captions).to_pylist()
    return hashlib.sha256(json.dumps([WORLD_VERSION, split, rows]).encode()).hexdigest()


def world_rows(rows: np.ndarray, *, split: Split, captions: bool) -> pa.Table:
    """image_id, image, label, wnid (null), class_name, caption (null unless asked for)."""
    indices = [world.SPLITS[split][row] for row in rows.tolist()]
    labels = pa.array([world.label_at(index) for index in indices], pa.int64())
    nulls = pa.nulls(len(indices), pa.string())
    return pa.table(
        {
            "image_id": pa.array([world.image_id(index) for index in indices], pa.string()),
            "image": pa.array([world.image_path(index) for index in indices], pa.string()),
            "label": labels,
            "wnid": nulls,
            "class_name": _CLASS_NAMES.take(labels),
            "caption": pa.array([world.caption_at(index) for index in indices], pa.string())
            if captions
            else nulls,
        }
    )
