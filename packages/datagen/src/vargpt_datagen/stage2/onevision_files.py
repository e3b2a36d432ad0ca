"""The files of LLaVA-OneVision-Data as the hub has them: one folder a config, Parquet inside."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_datagen.printable import printable
from vargpt_datagen.stage2.conversation import Turn
from vargpt_datagen.stage2.rows import storable
from vargpt_datagen.stage2.weights import Weight, Weights, normal_name
from vargpt_schema import UserError
from vargpt_schema.compute import pc

_ROWS_AT_ONCE = 500
_PICTURES_AT_ONCE = 32  # their bytes lie in memory together
_FOOTER_BYTES = 8  # length of the metadata and the magic mark


class SubsetFile(NamedTuple):
    """One Parquet file of a subset."""

    path: Path
    num_rows: int
    group_rows: tuple[int, ...]  # rows of each row group
    has_pictures: bool  # text-only configs have a column of nulls, or none


class Subset(NamedTuple):
    """One config and the weight it has."""

    name: str
    weight: Weight
    files: tuple[SubsetFile, ...]

    @property
    def num_rows(self) -> int:
        return sum(file.num_rows for file in self.files)


class ReadRow(NamedTuple):
    """One row of a file."""

    row: int
    record_id: str
    turns: list[Turn]
    has_picture: bool
    data: bytes | None  # of the picture, where asked for


def open_subsets(folder: Path, weights: Weights) -> list[Subset]:
    """The subsets that have a weight, in name order.

    UserError for a folder that the weights do not name, and for a named one that is not there.
    """
    if not folder.is_dir():
        raise UserError(
            f"--onevision {folder}: no such folder, the copy of LLaVA-OneVision-Data with one "
            "folder a config was expected. Check the path."
        )
    found = {
        normal_name(path.name): path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }
    unknown = [path.name for name, path in found.items() if name not in weights.by_name]
    if unknown:
        raise UserError(
            f"--onevision {folder}: unknown subset {_listed(unknown)}, subsets of the weights "
            f"({weights.name}) were expected. Move the folder away, or give it a line in a file of "
            "your own with --weights FILE."
        )
    wanted = {name: weight for name, weight in weights.by_name.items() if weight.weight > 0}
    missing = [weight.subset for name, weight in wanted.items() if name not in found]
    if missing:
        raise UserError(
            f"--onevision {folder}: no folder for {_listed(missing)}, which the weights "
            f"({weights.name}) name. Download it, or give it weight 0 in a file of your own with "
            "--weights FILE."
        )
    return [
        Subset(found[name].name, weight, tuple(map(_opened, _parquet_files(found[name]))))
        for name, weight in sorted(wanted.items())
    ]


def subsets_sha256(subsets: Sequence[Subset]) -> str:
    """Changes when a file is added, cut or written again: names, sizes and Parquet footers."""
    digest = hashlib.sha256()
    for subset in subsets:
        for file in subset.files:
            size_bytes = file.path.stat().st_size
            digest.update(f"{subset.name}/{file.path.name} {size_bytes}\n".encode())
            with file.path.open("rb") as opened:
                opened.seek(-_FOOTER_BYTES, 2)
                length = int.from_bytes(opened.read(4), "little")
                opened.seek(-_FOOTER_BYTES - min(length, size_bytes - _FOOTER_BYTES), 2)
                digest.update(opened.read())
    return digest.hexdigest()


def read_rows(
    file: SubsetFile, rows: np.ndarray | None = None, *, pictures: bool = False
) -> Iterator[ReadRow]:
    """Rows of a file by ascending numbers, default all; row groups without one are not read.

    UserError when the file turns out to be damaged.
    """
    column = ["image.bytes"] if pictures else ["image.path"]
    columns = ["id", "conversations", *(column if file.has_pictures else [])]
    size = _PICTURES_AT_ONCE if pictures else _ROWS_AT_ONCE
    first = 0
    try:
        with pq.ParquetFile(file.path, pre_buffer=False, buffer_size=1 << 20) as opened:
            for group, group_rows in enumerate(file.group_rows):
                if rows is None or len(_within(rows, first, group_rows)):
                    batches = opened.iter_batches(size, row_groups=[group], columns=columns)
                    yield from _rows_of(batches, first, rows)
                first += group_rows
    except (pa.ArrowException, OSError) as error:
        raise _damaged(file.path, error) from error


def _rows_of(
    batches: Iterator[pa.RecordBatch], first: int, wanted: np.ndarray | None
) -> Iterator[ReadRow]:
    for batch in batches:
        size = batch.num_rows
        places = np.arange(size) if wanted is None else _within(wanted, first, size) - first
        if len(places):
            chosen = batch if len(places) == size else batch.take(pa.array(places))
            yield from _batch_rows(chosen, (places + first).tolist())
        first += size


def _batch_rows(batch: pa.RecordBatch, numbers: list[int]) -> Iterator[ReadRow]:
    said = batch.column("conversations")
    lengths = pc.fill_null(pc.list_value_length(said), 0).to_pylist()
    turns = said.flatten()
    speakers, texts = (pc.struct_field(turns, name).to_pylist() for name in ("from", "value"))
    ids = batch.column("id").to_pylist()
    has_picture, data = [False] * len(numbers), [None] * len(numbers)
    if "image" in batch.schema.names:
        image = batch.column("image")
        has_picture = image.is_valid().to_pylist()
        if image.type.get_field_index("bytes") >= 0:
            data = pc.struct_field(image, "bytes").to_pylist()
    start = 0
    for place, number in enumerate(numbers):
        end = start + lengths[place]
        pairs = zip(speakers[start:end], texts[start:end], strict=True)
        row_turns = [Turn(speaker, text) for speaker, text in pairs]
        record_id = "" if ids[place] is None else storable(str(ids[place]))
        yield ReadRow(number, record_id, row_turns, has_picture[place], data[place])
        start = end


def _parquet_files(folder: Path) -> list[Path]:
    # The hub's own folder has them at its top, its converted branch in `train/`.
    files = sorted(folder.glob("*.parquet")) or sorted(folder.glob("train/*.parquet"))
    if not files:
        raise UserError(
            f"{folder}: no Parquet file found, a subset in the hub's layout was expected. Download "
            "it, or give it weight 0 in a file of your own with --weights FILE."
        )
    return files


def _opened(path: Path) -> SubsetFile:
    try:
        with pq.ParquetFile(path) as opened:
            schema, metadata = opened.schema_arrow, opened.metadata
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error
    problem = _schema_problem(schema)
    if problem:
        raise UserError(
            f"{path}: {problem}; columns id, image (bytes, path) and conversations (from, value) "
            "were expected, as in LLaVA-OneVision-Data. Check the path."
        )
    groups = tuple(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
    has_pictures = "image" in schema.names and pa.types.is_struct(schema.field("image").type)
    return SubsetFile(path, metadata.num_rows, groups, has_pictures)


def _schema_problem(schema: pa.Schema) -> str | None:
    missing = [name for name in ("id", "conversations") if name not in schema.names]
    if missing:
        return f"no column {' and '.join(missing)}"
    said = schema.field("conversations").type
    is_list = pa.types.is_list(said) or pa.types.is_large_list(said)
    if not is_list or not _has_texts(said.value_type, ("from", "value")):
        return f"conversations is {printable(str(said))}"
    if "image" in schema.names:
        image = schema.field("image").type
        is_known = pa.types.is_struct(image) and {"bytes", "path"} <= {
            field.name for field in image.fields
        }
        if not is_known and not pa.types.is_null(image):
            return f"image is {printable(str(image))}"
    return None


def _has_texts(struct: pa.DataType, names: tuple[str, ...]) -> bool:
    if not pa.types.is_struct(struct):
        return False
    types = {field.name: field.type for field in struct.fields}
    return all(
        name in types and (pa.types.is_string(types[name]) or pa.types.is_large_string(types[name]))
        for name in names
    )


def _within(numbers: np.ndarray, first: int, size: int) -> np.ndarray:
    """Those of ascending numbers that lie in `size` ones from `first` on."""
    start, end = np.searchsorted(numbers, [first, first + size])
    return numbers[start:end]


def _damaged(path: Path, error: Exception) -> UserError:
    reason = str(error).split("\n", 1)[0]
    return UserError(
        f"{path}: not a readable Parquet file ({printable(reason)}), a file of "
        "LLaVA-OneVision-Data was expected. Download it again."
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(printable, names[:5])) + more
