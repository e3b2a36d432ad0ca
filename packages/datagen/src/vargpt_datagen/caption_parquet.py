"""Captions from files: Parquet in the layout of imagenet-1k-vl-enriched, or our own tables."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.caption_columns import Split, caption_rows
from vargpt_datagen.caption_origin import Origin, captioners_text, origin_of
from vargpt_datagen.caption_source import CaptionedImage
from vargpt_datagen.caption_text import caption_faults, clean_captions
from vargpt_datagen.columns_sha256 import columns_sha256
from vargpt_schema import UserError
from vargpt_schema.compute import pc

_COLUMNS = ("image_id", "image", "label", "wnid")
_THREADS = 2  # Arrow works outside Python's lock
_ROWS_AT_ONCE = 100_000
# The hub copy keeps its splits side by side; validation must not get into training.
_NAMES_OF_OTHER_SPLITS: dict[Split, tuple[str, ...]] = {
    "train": ("validation", "test"),
    "validation": ("train", "test"),
}


class CaptionTable(NamedTuple):
    """What files of captions hold for builds from one split."""

    rows: pa.Table  # image_id, image, label, wnid, class_name, caption (cleaned); one chunk each
    origin: Origin
    captioner: str  # all of them in one line
    dropped: Mapping[str, int]  # rows left out, by reason


class ParquetCaptions:
    """Captions of training images read from Parquet; unfit ones are dropped and counted.

    UserError when the path, its columns, ids or paths are not what a build can stand on.
    """

    def __init__(self, path: Path) -> None:
        table = read_caption_table(path)
        self.name, self.title = table.origin
        self.captioner = table.captioner
        self.dropped = table.dropped
        self._columns: dict[str, Any] = {
            name: table.rows.column(name).chunk(0) for name in (*_COLUMNS, "caption")
        }
        self.fingerprint = columns_sha256([self.name, self.captioner], pa.table(self._columns))

    def __len__(self) -> int:
        return len(self._columns["caption"])

    def caption(self, index: int) -> str:
        return self._columns["caption"][index].as_py()

    def image_id(self, index: int) -> str:
        return self._columns["image_id"][index].as_py()

    def image(self, index: int) -> CaptionedImage:
        return CaptionedImage(
            **{name: column[index].as_py() for name, column in self._columns.items()}
        )


def read_caption_table(
    path: Path, split: Split = "train", *, captions: bool = True
) -> CaptionTable:
    """The images of one split, checked, with their captions cleaned.

    Without `captions` that column is neither read nor given, and no row is left out for what its
    caption is like. UserError as ParquetCaptions says.
    """
    files = _parquet_files(path, split)
    with ThreadPoolExecutor(_THREADS) as readers, ThreadPoolExecutor(_THREADS) as judges:
        fit_rows = partial(_fit_rows, split=split, captions=captions, judges=judges)
        read = [part for parts in readers.map(fit_rows, files) for part in parts]
        if not any(len(each.ids) for each in read):
            raise UserError(
                f"{path}: no row found, captions were expected. Check the file; of a `captions` "
                f"table only rows of split {split!r} are read."
            )
        ids = pa.chunked_array([chunk for each in read for chunk in each.ids.chunks])
        checked = readers.submit(refuse_repeated_ids, ids, path)
        parts = [dict(zip(each.rows.column_names, each.rows.columns, strict=True)) for each in read]
        dropped = sum((each.dropped for each in read), Counter[str]())
        del read, ids
        pa.default_memory_pool().release_unused()  # 80 MB of 550 at 1.28 million rows
        rows = _joined(parts)
        origin, captioner = origin_of(rows, path), captioners_text(rows.column("captioner"))
        checked.result()
    return CaptionTable(rows.drop_columns(["captioner"]), origin, captioner, dropped)


class _FitRows(NamedTuple):
    rows: pa.Table
    ids: pa.ChunkedArray  # of the unfit too
    dropped: Counter[str]


def _fit_rows(
    file: Path, split: Split, captions: bool, judges: ThreadPoolExecutor
) -> list[_FitRows]:
    rows = caption_rows(file, split, captions=captions)
    starts = range(0, rows.num_rows, _ROWS_AT_ONCE)
    return list(judges.map(_judged, [rows.slice(start, _ROWS_AT_ONCE) for start in starts]))


def _judged(rows: pa.Table) -> _FitRows:
    fault = rows.column("misplaced")
    if "caption" in rows.column_names:
        at = rows.schema.get_field_index("caption")
        rows = rows.set_column(at, "caption", clean_captions(rows.column("caption")))
        fault = pc.coalesce(fault, caption_faults(rows.column("caption")))
    counts = pc.value_counts(fault.drop_null()).to_pylist()
    return _FitRows(
        rows=rows.drop_columns(["misplaced"]).filter(pc.is_null(fault)),
        ids=rows.column("image_id"),
        dropped=Counter({each["values"]: each["counts"] for each in counts}),
    )


def _parquet_files(path: Path, split: Split) -> list[Path]:
    if not path.exists():
        raise UserError(
            f"{path}: no such file or folder, a Parquet of captions was expected. "
            "Check the path, or leave --captions out to build from the sample world."
        )
    if path.is_file():
        files = [path]
    else:
        folder = path / "data" if (path / "data").is_dir() else path
        found = sorted(folder.glob("*.parquet"))
        others = _NAMES_OF_OTHER_SPLITS[split]
        files = [file for file in found if not file.name.startswith(others)]
    if not files:
        kind = {"train": "training", "validation": "validation"}[split]
        raise UserError(
            f"{path}: no Parquet file of {kind} captions found. "
            f"Give the .parquet file or the folder that holds data/{split}-*.parquet."
        )
    return files


def _joined(parts: list[dict[str, pa.ChunkedArray]]) -> pa.Table:
    """One table with one chunk a column; empties the parts, so that no two columns lie twice."""
    columns: dict[str, Any] = {}
    for name, first in list(parts[0].items()):
        chunks = [chunk for part in parts for chunk in part.pop(name).chunks]
        columns[name] = pa.chunked_array(chunks, first.type).combine_chunks()
    return pa.table(columns)


def refuse_repeated_ids(ids: pa.ChunkedArray, path: Path) -> None:
    """UserError with the first id that two rows have."""
    # Python's hashes, sorted: a third of the time and a tenth of the memory of Arrow's count.
    starts = range(0, len(ids), _ROWS_AT_ONCE)
    hashes = np.sort(np.concatenate([_hashes(ids.slice(at, _ROWS_AT_ONCE)) for at in starts]))
    if not np.any(hashes[1:] == hashes[:-1]):
        return
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        first = repeated[0].as_py()
        raise UserError(
            f"{path}: image_id {first['values']!r} found {first['counts']} times ({len(repeated)} "
            "ids repeat), each image once was expected. Drop the repeated rows."
        )


def _hashes(ids: pa.ChunkedArray) -> np.ndarray:
    return np.fromiter(map(hash, ids.to_pylist()), np.int64, len(ids))
