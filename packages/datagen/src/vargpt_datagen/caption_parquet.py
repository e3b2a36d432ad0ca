"""Real captions: a Parquet file or folder in the layout of imagenet-1k-vl-enriched, or our own."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_datagen.caption_source import CaptionedImage
from vargpt_datagen.caption_text import caption_fault, clean_caption
from vargpt_schema import CAPTIONS, UserError
from vargpt_schema.compute import pc

# visual-layer/imagenet-1k-vl-enriched; its image, box and issue columns are never read.
ENRICHED_COLUMNS = ("image_id", "label", "caption_enriched")
_VALIDATION_STEM = re.compile(r"ILSVRC2012_val_\d{8}")


class ParquetCaptions:
    """Captions of training images read from Parquet; unfit ones are dropped and counted.

    UserError when the path, its columns or its ids are not what a build can stand on.
    """

    name = "imagenet"
    title = "ImageNet-Instruct"

    def __init__(self, path: Path) -> None:
        files = _parquet_files(path)
        own_table = (pq.read_schema(files[0]).metadata or {}).get(b"table") == b"captions"
        if own_table:
            table = _from_own_table(path)
            self.captioner = str(pc.first(table.column("captioner")).as_py())
        else:
            table = pa.concat_tables([_from_enriched(file) for file in files])
            self.captioner = "Salesforce/blip2-opt-2.7b (as imagenet-1k-vl-enriched has it)"
        if table.num_rows == 0:
            raise UserError(f"{path}: no row found, captions were expected. Check the file.")
        _refuse_bad_ids(table.column("image_id"), path)

        self.dropped: Mapping[str, int] = (dropped := Counter[str]())
        kept: list[int] = []
        captions: list[str] = []
        for row, (stem, raw) in enumerate(
            zip(
                table.column("image_id").to_pylist(),
                table.column("caption").to_pylist(),
                strict=True,
            )
        ):
            caption = clean_caption(raw or "")
            fault = "validation_image" if _VALIDATION_STEM.match(stem) else caption_fault(caption)
            if fault:
                dropped[fault] += 1
                continue
            kept.append(row)
            captions.append(caption)
        self._rows = table.take(pa.array(kept, pa.int64())).combine_chunks()
        self._captions = pa.array(captions, pa.string())
        self.fingerprint = _fingerprint(self._rows, self._captions)

    def __len__(self) -> int:
        return len(self._captions)

    def caption(self, index: int) -> str:
        return self._captions[index].as_py()

    def image_id(self, index: int) -> str:
        return self._rows.column("image_id")[index].as_py()

    def image(self, index: int) -> CaptionedImage:
        row: dict[str, Any] = {name: self._rows.column(name)[index].as_py() for name in _COLUMNS}
        return CaptionedImage(**row, caption=self.caption(index))


_COLUMNS = ("image_id", "image", "label", "wnid")


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
    for file in files:
        try:
            pq.read_schema(file)
        except (pa.ArrowInvalid, OSError) as error:
            reason = str(error).split("\n", 1)[0]
            raise UserError(
                f"{file}: not a readable Parquet file ({reason}). Download it again."
            ) from error
    return files


def _from_enriched(file: Path) -> pa.Table:
    names = pq.read_schema(file).names
    missing = [name for name in ENRICHED_COLUMNS if name not in names]
    if missing:
        raise UserError(
            f"{file}: columns {', '.join(names)} found, {', '.join(missing)} missing. Expected the "
            "layout of visual-layer/imagenet-1k-vl-enriched or a `captions` table of `datagen`."
        )
    table = pq.read_table(file, columns=list(ENRICHED_COLUMNS))
    for name in ("image_id", "caption_enriched"):
        if not pa.types.is_string(table.schema.field(name).type):
            raise UserError(
                f"{file}: column {name} is {table.schema.field(name).type}, string was expected. "
                "Expected the layout of visual-layer/imagenet-1k-vl-enriched."
            )
    # The hub copy's ids are file names.
    stem = pc.replace_substring_regex(table.column("image_id"), r"\.(JPEG|jpeg|jpg|JPG)$", "")
    return _rows(stem, table.column("label"), table.column("caption_enriched"), file)


def _from_own_table(path: Path) -> pa.Table:
    table = CAPTIONS.read(path)
    table = table.filter(pc.equal(table.column("split"), "train"))
    return table.select([*_COLUMNS, "caption", "captioner"])


def _rows(stem: Any, label: Any, caption: Any, file: Path) -> pa.Table:
    _refuse_bad_ids(stem, file)
    wnid = pc.struct_field(pc.extract_regex(stem, r"^(?P<wnid>n\d{8})_\d+$"), "wnid")
    path = pc.binary_join_element_wise("train/", wnid, "/", stem, ".JPEG", "")
    unknown = pc.and_(pc.is_null(path), pc.invert(pc.starts_with(stem, "ILSVRC2012_val_")))
    if pc.any(unknown).as_py():
        example = stem.filter(unknown)[0].as_py()
        raise UserError(
            f"{file}: image_id {example!r} found, an ImageNet file name such as "
            "n01440764_10026.JPEG was expected. Use a `captions` table for other images."
        )
    columns = {
        "image_id": stem,
        "image": path,
        "label": pc.cast(label, pa.int64()),
        "wnid": wnid,
        "caption": caption,
    }
    return pa.table(columns)


def _refuse_bad_ids(ids: Any, path: Path) -> None:
    if ids.null_count:
        row = pc.index(pc.is_null(ids), True).as_py()
        raise UserError(
            f"{path}: image_id is null in {ids.null_count} rows, first in row {row}; every image "
            "needs its file name. Fill them in or drop those rows."
        )
    counts = pc.value_counts(ids)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(repeated):
        first = repeated[0].as_py()
        raise UserError(
            f"{path}: image_id {first['values']!r} found {first['counts']} times ({len(repeated)} "
            "ids repeat), each image once was expected. Drop the repeated rows."
        )


def _fingerprint(rows: pa.Table, captions: pa.Array) -> str:
    digest = hashlib.sha256()
    for stem, caption in zip(
        rows.column("image_id").to_pylist(), captions.to_pylist(), strict=True
    ):
        digest.update(f"{stem}\t{caption}\n".encode())
    return digest.hexdigest()
