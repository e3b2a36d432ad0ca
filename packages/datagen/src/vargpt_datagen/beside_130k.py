"""The -130K beside a -1270K: together they are more rows than images, so they share some."""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.image_columns import ImageColumns
from vargpt_datagen.template_rows import combined
from vargpt_schema import INSTRUCT, UserError, world
from vargpt_schema.compute import pc

ROWS_OF_130K = 130_000
_IDS_AT_ONCE = 100_000


class Beside(NamedTuple):
    """Which images another build has, of those at hand."""

    folder: str
    has_image: np.ndarray  # (images,) bool
    sha256: str  # of the ids


def read_beside(folder: Path, images: ImageColumns, captions: str) -> Beside:
    """Which of the images a build has; UserError when it has none of them."""
    ids = pc.drop_null(pc.unique(INSTRUCT.read(folder, ["image_id"]).column("image_id")))
    has_image = _is_one_of(ids, images, captions)
    if not has_image.any():
        raise UserError(
            f"--beside {folder}: none of its {len(ids):,} images is among the {images.num_rows:,} "
            "of --captions, a -130K of the same captions was expected. Check both paths."
        )
    said = "\n".join(sorted(ids.to_pylist()))
    return Beside(folder.name or str(folder), has_image, hashlib.sha256(said.encode()).hexdigest())


def _is_one_of(ids: pa.Array, images: ImageColumns, captions: str) -> np.ndarray:
    """(images,) bool: which images have one of the ids."""
    if captions == "world":  # the ids are its row numbers, and its captions take time to write
        indices = np.array([world.index_of(each) for each in ids.to_pylist()], np.int64)
        found = np.zeros(images.num_rows, bool)
        found[indices[indices < images.num_rows]] = True
        return found
    return np.concatenate(
        [
            pc.is_in(combined(batch, "image_id"), value_set=ids).to_numpy(zero_copy_only=False)
            for batch in images.batches(batch_rows=_IDS_AT_ONCE)
        ]
    )


def overlap(
    num_rows: int, images: ImageColumns, rows: np.ndarray, beside: Beside | None
) -> dict[str, Any]:
    """How many images this set and -130K share: at least so many, and with --beside exactly.

    Of fewer images than -130K has rows none can be made, so nothing is said about it.
    """
    if beside:
        num_other = int(beside.has_image.sum())
    else:
        num_other = ROWS_OF_130K if images.num_rows >= ROWS_OF_130K else 0
    return {
        "images": images.num_rows,
        "rows_130k": num_other,
        "at_least": max(num_rows + num_other - images.num_rows, 0),
        "beside": beside.folder if beside else None,
        "found": int(beside.has_image[rows].sum()) if beside else None,
    }


def overlap_text(overlap: dict[str, Any]) -> str:
    """One sentence on the images that -130K has too."""
    if overlap["found"] is not None:
        return f"{overlap['found']:,} images are in {overlap['beside']} too, as few as can be."
    if not overlap["at_least"]:
        return "Which images a -130K has too is left to chance; --beside DIR leaves them out."
    return (
        f"At least {overlap['at_least']:,} images are in a -130K of the same {overlap['images']:,} "
        "images too; --beside DIR chooses them to be as few as that."
    )
