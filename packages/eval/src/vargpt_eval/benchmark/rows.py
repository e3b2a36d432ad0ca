"""A benchmark's rows from local files in the hub's layout, images only where they are asked for."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_eval.benchmark.manifest import Benchmark
from vargpt_eval.benchmark.prompts import Row, mmmu_image_columns
from vargpt_schema import UserError
from vargpt_schema.world import index_of, questions_at, split_of


class RowImage(NamedTuple):
    """An image of a row, not decoded yet."""

    name: str
    data: bytes  # of the encoded file


class AskedRow(NamedTuple):
    """A row with the images that are shown with its question."""

    position: int  # in the data set
    row: Row  # without image columns
    images: list[RowImage]


def read_items(benchmark: Benchmark, data: Path) -> list[dict[str, Any]]:
    """All rows without their image columns. UserError when files are missing or damaged."""
    if benchmark.name == "world_questions":
        return [row for row, _ in _world_rows(benchmark, data)]
    found: list[dict[str, Any]] = []
    for file in _files(benchmark, data, benchmark.files):
        opened = _opened(file)
        columns = [field.name for field in opened.schema_arrow if not _is_image(field.type)]
        with _readable(file):
            found += map(_plain, opened.read(columns=columns).to_pylist())
    return found


def read_asked(benchmark: Benchmark, data: Path, positions: Collection[int]) -> Iterator[AskedRow]:
    """The rows at these positions with their images, a row group of a file at a time."""
    wanted = set(positions)
    if benchmark.name == "world_questions":
        for position, (row, path) in enumerate(_world_rows(benchmark, data)):
            if position in wanted:
                yield AskedRow(position, row, [RowImage(path.name, path.read_bytes())])
        return
    apart = _images_apart(benchmark, data) if wanted and benchmark.image_files else None
    start = 0
    for file in _files(benchmark, data, benchmark.files):
        opened = _opened(file)
        for number in range(opened.num_row_groups):
            size = opened.metadata.row_group(number).num_rows
            here = [place for place in range(size) if start + place in wanted]
            if here:
                with _readable(file):
                    group = opened.read_row_group(number).take(pa.array(here))
                for place, row in zip(here, group.to_pylist(), strict=True):
                    yield _asked(benchmark, file, start + place, row, apart)
            start += size


def data_files(benchmark: Benchmark, data: Path) -> list[Path]:
    """All files that the benchmark reads; empty where there are none."""
    folder = data / benchmark.folder
    found = sorted(folder.glob(benchmark.files))
    return found + (sorted(folder.glob(benchmark.image_files)) if benchmark.image_files else [])


def _files(benchmark: Benchmark, data: Path, pattern: str) -> list[Path]:
    found = sorted((data / benchmark.folder).glob(pattern))
    if not found:
        raise UserError(
            f"{data / benchmark.folder}: no {pattern} found, the files of {benchmark.name} "
            f"expected. Get them with `{benchmark.how_to_get(data)}`."
        )
    return found


def _opened(file: Path) -> pq.ParquetFile:
    with _readable(file):
        return pq.ParquetFile(file)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{file}: not a readable Parquet file ({str(error).splitlines()[0]}), one as on the "
            "hub expected. Download it again."
        ) from error


def _is_image(kind: pa.DataType) -> bool:
    """The hub's images are structs of bytes and path; SEED has lists of them."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_image(kind.value_type)
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind.fields)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _asked(
    benchmark: Benchmark,
    file: Path,
    position: int,
    row: dict[str, Any],
    apart: dict[str, RowImage] | None,
) -> AskedRow:
    plain = {name: value for name, value in row.items() if not _holds_bytes(value)}
    plain = _plain(plain)
    if apart is not None:
        key = str(row.get(benchmark.image_key or ""))
        if key not in apart:
            raise UserError(
                f"{file}: image {key!r} of row {position} is in no file of "
                f"{benchmark.image_files}. Download the data set again, whole."
            )
        return AskedRow(position, plain, [apart[key]])
    names = ["image"] if benchmark.name != "mmmu_val" else mmmu_image_columns(plain)
    absent = next((name for name in names if row.get(name) is None), None)
    if absent is not None:
        raise UserError(
            f"{file}: row {position} has no {absent!r}, an image expected there as on the hub. "
            "Download the data set again."
        )
    held = [one for name in names for one in _listed(row[name])]
    images = []
    for number, one in enumerate(held):
        data = _bytes_of(file, position, one)
        images.append(RowImage(one.get("path") or f"{position}-{number}", data))
    return AskedRow(position, plain, images)


def _bytes_of(file: Path, row: int, image: Any) -> bytes:
    data = image.get("bytes") if isinstance(image, dict) else None
    if not isinstance(data, bytes):
        raise UserError(
            f"{file}: row {row} has an image without bytes, the hub's layout (bytes, path) "
            "expected. Download the data set again."
        )
    return data


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _holds_bytes(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_holds_bytes, value))
    return isinstance(value, bytes) or (isinstance(value, dict) and "bytes" in value)


def _images_apart(benchmark: Benchmark, data: Path) -> dict[str, RowImage]:
    assert benchmark.image_files is not None
    found = {}
    for file in _files(benchmark, data, benchmark.image_files):
        opened = _opened(file)
        missing = {"id", "image"} - set(opened.schema_arrow.names)
        if missing:
            raise UserError(
                f"{file}: columns {', '.join(opened.schema_arrow.names)} found, `id` and `image` "
                f"expected. Get them with `{benchmark.how_to_get(data)}`."
            )
        with _readable(file):
            rows = opened.read(columns=["id", "image"]).to_pylist()
        for number, row in enumerate(rows):
            name = f"{row['id']}.jpg"
            found[str(row["id"])] = RowImage(name, _bytes_of(file, number, row["image"]))
    return found


def _world_rows(benchmark: Benchmark, data: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Every question about each drawn scene that no training set holds."""
    num_rows = 0
    for path in _files(benchmark, data, benchmark.files):
        if not path.stem.isdecimal() or split_of(int(path.stem)) == "train":
            continue
        image_id = f"world-{path.stem}"
        for question in questions_at(index_of(image_id)):
            num_rows += 1
            yield (
                {
                    "id": f"{image_id} {question.kind}",
                    "image_id": image_id,
                    "question": question.question.capitalize(),
                    "answer": question.answer,
                    "kind": question.kind,
                },
                path,
            )
    if not num_rows:
        raise UserError(
            f"{data / 'world'}: no picture of a validation or withheld scene found, some named as "
            "`datagen world` does expected. Draw them with `datagen world --for EVAL_DIR --size "
            "PX`."
        )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """NaN, which JSON cannot hold and some writers put for a missing text, as None."""
    return {name: None if value != value else value for name, value in row.items()}
