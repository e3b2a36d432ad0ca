"""Captions from files: Parquet in the layout of imagenet-1k-vl-enriched, or our own tables."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from vargpt_datagen.caption_columns import caption_rows, is_validation
from vargpt_datagen.caption_origin import captioners_text, origin_of
from vargpt_datagen.caption_source import CaptionedImage
from vargpt_datagen.caption_text import caption_fault, clean_caption
from vargpt_schema import UserError
from vargpt_schema.compute import pc

_COLUMNS = ("image_id", "image", "label", "wnid")
_ROWS_HASHED_AT_ONCE = 50_000


class ParquetCaptions:
    """Captions of training images read from Parquet; unfit ones are dropped and counted.

    UserError when the path, its columns, ids or paths are not what a build can stand on.
    """

    def __init__(self, path: Path) -> None:
        table = pa.concat_tables([caption_rows(file) for file in _parquet_files(path)])
        if table.num_rows == 0:
            raise UserError(
                f"{path}: no row found, captions were expected. Check the file; of a `captions` "
                "table only rows of split 'train' are read."
            )
        _refuse_repeated_ids(table.column("image_id"), path)

        self.dropped: Mapping[str, int] = (dropped := Counter[str]())
        kept: list[int] = []
        captions: list[str] = []
        of_validation = is_validation(table.column("image_id")).to_pylist()
        raw_captions = table.column("caption").to_pylist()
        for row, (raw, is_of_validation) in enumerate(
            zip(raw_captions, of_validation, strict=True)
        ):
            caption = clean_caption(raw or "")
            fault = "validation_image" if is_of_validation else caption_fault(caption)
            if fault:
                dropped[fault] += 1
                continue
            kept.append(row)
            captions.append(caption)
        rows = table.take(pa.array(kept, pa.int64())).combine_chunks()
        self.name, self.title = origin_of(rows, path)
        self.captioner = captioners_text(rows.column("captioner"))
        self._rows = rows.select(list(_COLUMNS))
        self._captions = pa.array(captions, pa.string())
        self.fingerprint = _fingerprint(
            [self.name, self.captioner], self._rows.append_column("caption", self._captions)
        )

    def __len__(self) -> int:
        return len(self._captions)

    def caption(self, index: int) -> str:
        return self._captions[index].as_py()

    def image_id(self, index: int) -> str:
        return self._rows.column("image_id")[index].as_py()

    def image(self, index: int) -> CaptionedImage:
        row: dict[str, Any] = {name: self._rows.column(name)[index].as_py() for name in _COLUMNS}
        return CaptionedImage(**row, caption=self.caption(index))


def _parquet_files(path: Path) -> list[Path]:
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
        # The hub copy keeps its splits side by side; validation must not get into training.
        files = [file for file in found if not file.name.startswith(("validation", "test"))]
    if not files:
        raise UserError(
            f"{path}: no Parquet file of training captions found. "
            "Give the .parquet file or the folder that holds data/train-*.parquet."
        )
    return files


def _refuse_repeated_ids(ids: Any, path: Path) -> None:
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        first = repeated[0].as_py()
        raise UserError(
            f"{path}: image_id {first['values']!r} found {first['counts']} times ({len(repeated)} "
            "ids repeat), each image once was expected. Drop the repeated rows."
        )


def _fingerprint(said_of_all: list[str], rows: pa.Table) -> str:
    """Sha256 over everything that rows of a build take from here.

    As JSON, which no release of Arrow changes and in which no value can pass for two.
    """
    digest = hashlib.sha256(json.dumps(said_of_all).encode())
    for start in range(0, rows.num_rows, _ROWS_HASHED_AT_ONCE):
        columns = rows.slice(start, _ROWS_HASHED_AT_ONCE).to_pydict()
        digest.update(json.dumps(columns).encode())
    return digest.hexdigest()
