"""The images of one split as columns: from the sample world, the hub, Parquet, or a folder."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vargpt_datagen.caption_columns import Split
from vargpt_datagen.caption_origin import IMAGENET, Origin
from vargpt_datagen.caption_parquet import read_caption_table
from vargpt_datagen.caption_source import WorldCaptions
from vargpt_datagen.columns_sha256 import columns_sha256
from vargpt_datagen.hub_captions import hub_captions
from vargpt_datagen.imagenet_classes import odd_images
from vargpt_datagen.imagenet_folder import is_imagenet_folder, list_imagenet
from vargpt_datagen.world_images import world_fingerprint, world_rows
from vargpt_schema import UserError, world
from vargpt_schema.compute import pc

IMAGE_COLUMNS = pa.schema(
    [
        ("image_id", pa.string()),
        ("image", pa.string()),  # POSIX path below the image root
        ("label", pa.int64()),
        ("wnid", pa.string()),
        ("class_name", pa.string()),
        ("caption", pa.string()),  # cleaned and fit; null throughout where none is needed
    ]
)


@dataclass(frozen=True, kw_only=True)
class ImageColumns:
    """The images of one split in a fixed order, with their classes and, if needed, captions."""

    name: str  # used in folder names and rows: "world", "imagenet", "captions"
    title: str  # used in cards: "Sample-World-Instruct", "ImageNet-Instruct", "Caption-Instruct"
    captioner: str | None  # all of them in one line; None: no captions here
    fingerprint: str  # changes when anything changes that rows take from here
    dropped: Mapping[str, int]  # images left out, by reason
    num_rows: int
    tables: Callable[[list[np.ndarray]], Iterator[pa.Table]] = field(repr=False)  # of row numbers
    odd: Mapping[str, int] = field(default_factory=dict)  # images kept, by what is odd about them

    def batches(
        self, rows: np.ndarray | None = None, batch_rows: int = 20_000
    ) -> Iterator[pa.Table]:
        """All rows in order, or those with the numbers given, as tables of IMAGE_COLUMNS."""
        rows = np.arange(self.num_rows) if rows is None else rows
        starts = range(0, len(rows), batch_rows)
        return self.tables([rows[start : start + batch_rows] for start in starts])


def open_images(
    captions: str, *, split: Split, image_root: Path | None = None, needs_captions: bool
) -> ImageColumns:
    """The images that `--captions` names: "world", "hub" or a path.

    A path is a Parquet file or folder (a `captions` table or the layout of imagenet-1k-vl-enriched)
    or, where no captions are needed, a folder of ImageNet: its image paths start at the image root,
    if one is given. Where no captions are needed none is read, and no image is left out for what
    its caption is like. UserError for whatever a build cannot stand on.
    """
    if captions == "world":
        return _world(split, needs_captions)
    path = hub_captions(split) if captions == "hub" else Path(captions)
    if not is_imagenet_folder(path):
        table = read_caption_table(path, split, captions=needs_captions)
        captioner = table.captioner if needs_captions else None
        return _held(path, split, table.rows, table.origin, captioner, table.dropped)
    if needs_captions:
        raise UserError(
            f"--captions {path}: a folder of images found, captions were expected. Give Parquet "
            "files of captions, or `hub` for those of imagenet-1k-vl-enriched."
        )
    listing = list_imagenet(path, split, image_root)
    return _held(path, split, listing.rows, IMAGENET, None, listing.dropped)


def _world(split: Split, captions: bool) -> ImageColumns:
    return ImageColumns(
        name=WorldCaptions.name,
        title=WorldCaptions.title,
        captioner=WorldCaptions.captioner if captions else None,
        fingerprint=world_fingerprint(split, captions=captions),
        dropped={},
        num_rows=len(world.SPLITS[split]),
        tables=partial(map, partial(world_rows, split=split, captions=captions)),
    )


def _held(
    path: Path,
    split: Split,
    rows: pa.Table,
    origin: Origin,
    captioner: str | None,
    dropped: Mapping[str, int],
) -> ImageColumns:
    """Images whose columns are in memory."""
    if rows.num_rows == 0:
        reasons = ", ".join(f"{name} {count:,}" for name, count in dropped.items())
        raise UserError(
            f"{path}: no usable image of split {split!r} found, at least one was expected; left "
            f"out: {reasons}. Check that these are the files of that split."
        )
    return ImageColumns(
        name=origin.name,
        title=origin.title,
        captioner=captioner,
        fingerprint=columns_sha256([origin.name, captioner or ""], rows),
        dropped=dropped,
        num_rows=rows.num_rows,
        tables=partial(map, partial(_rows_at, rows)),
        odd=odd_images(rows.column("image_id")),
    )


def _rows_at(table: pa.Table, rows: np.ndarray) -> pa.Table:
    if len(rows) and not 0 <= rows.min() <= rows.max() < table.num_rows:
        raise IndexError(f"rows {rows.min()} to {rows.max()} of {table.num_rows} images")
    found = (
        table.slice(int(rows[0]), len(rows)) if _is_run(rows) else table.take(pa.array(rows))
    ).combine_chunks()
    columns: dict[str, Any] = {
        each.name: pc.cast(found.column(each.name), each.type)
        if each.name in found.column_names
        else pa.nulls(len(rows), each.type)
        for each in IMAGE_COLUMNS
    }
    return pa.table(columns, schema=IMAGE_COLUMNS)


def _is_run(rows: np.ndarray) -> bool:
    """Whether these are consecutive numbers, which need no copy."""
    return len(rows) > 0 and bool(np.all(np.diff(rows) == 1))
