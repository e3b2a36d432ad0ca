"""Column types that programs other than ours write, read as if they were ours, or refused."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datagen.enriched import own_record
from vargpt_datagen.caption_columns import caption_rows
from vargpt_schema import CAPTIONS, UserError

DICTIONARY = pa.dictionary(pa.int32(), pa.string())
IDS = ["n00000001_1.JPEG", "n00000001_2.JPEG"]


def write_columns(
    path: Path,
    label: Any = (0, 1),
    label_type: pa.DataType | None = None,
    text_type: pa.DataType | None = None,
    caption: Any = ("a dog", None),
) -> Path:
    columns = [
        pa.array(IDS, text_type),
        pa.array(label, label_type),
        pa.array(caption, text_type),
    ]
    pq.write_table(pa.table(columns, names=["image_id", "label", "caption_enriched"]), path)
    return path


@pytest.mark.parametrize("text_type", [pa.large_string(), pa.string_view(), DICTIONARY])
def test_every_kind_of_text_column_is_read(text_type, tmp_path: Path):
    table = caption_rows(write_columns(tmp_path / "c.parquet", text_type=text_type))
    assert table.column("image_id").to_pylist() == ["n00000001_1", "n00000001_2"]
    assert table.column("caption").to_pylist() == ["a dog", None]
    assert {table.schema.field(name).type for name in ("image_id", "caption")} == {pa.string()}


@pytest.mark.parametrize("text_type", [pa.large_string(), pa.string_view(), DICTIONARY])
def test_our_own_table_is_read_with_any_kind_of_text_too(text_type, tmp_path: Path):
    table = CAPTIONS.from_records([own_record("a"), own_record("b", wnid="n00000001")])
    for name in ("image_id", "image", "split", "wnid", "caption", "captioner"):
        at = table.schema.get_field_index(name)
        recast = pa.array(table.column(name).to_pylist(), text_type)
        table = table.set_column(at, name, recast)
    pq.write_table(table, tmp_path / "c.parquet")
    assert caption_rows(tmp_path / "c.parquet").column("wnid").to_pylist() == [None, "n00000001"]


@pytest.mark.parametrize(
    ("label", "label_type", "read"),
    [
        ([7, None], pa.int8(), [7, None]),
        ([7, None], pa.uint64(), [7, None]),
        ([7.0, None], pa.float64(), [7, None]),
        ([7, None], pa.dictionary(pa.int8(), pa.int32()), [7, None]),
        ([None, None], pa.null(), [None, None]),
    ],
)
def test_whole_labels_become_integers_and_nulls_stay(label, label_type, read, tmp_path: Path):
    column = caption_rows(write_columns(tmp_path / "c.parquet", label, label_type)).column("label")
    assert (column.type, column.to_pylist()) == (pa.int64(), read)


@pytest.mark.parametrize(
    ("label", "label_type", "part"),
    [
        (["7", "8"], None, "column label is string, whole numbers were expected"),
        ([True, False], None, "column label is bool, whole numbers were expected"),
        ([7.5, 8.0], None, "column label cannot be read .*7.5.*, whole numbers were expected"),
        ([2**63, 1], pa.uint64(), "column label cannot be read .*, whole numbers were expected"),
        ([float("nan"), 1.0], None, "column label cannot be read .*nan"),
    ],
)
def test_labels_that_are_no_whole_numbers_are_refused(label, label_type, part, tmp_path: Path):
    with pytest.raises(UserError, match=part) as refused:
        caption_rows(write_columns(tmp_path / "c.parquet", label, label_type))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("doubled", ["image_id", "label", "caption_enriched"])
def test_a_column_name_found_twice_is_refused(doubled, tmp_path: Path):
    table = pq.read_table(write_columns(tmp_path / "c.parquet"))
    pq.write_table(table.append_column(doubled, table.column(doubled)), tmp_path / "c.parquet")
    with pytest.raises(UserError, match=f"column {doubled} found 2 times"):
        caption_rows(tmp_path / "c.parquet")


def test_a_doubled_column_that_is_never_read_does_not_matter(tmp_path: Path):
    table = pq.read_table(write_columns(tmp_path / "c.parquet"))
    for _ in range(2):
        table = table.append_column("issues", table.column("label"))
    pq.write_table(table, tmp_path / "c.parquet")
    assert caption_rows(tmp_path / "c.parquet").num_rows == 2


def test_text_that_is_no_utf8_is_refused(tmp_path: Path):
    table = pq.read_table(write_columns(tmp_path / "c.parquet"))
    broken = pa.array([b"a dog \xff", b"a cat"]).view(pa.string())
    pq.write_table(table.set_column(2, "caption_enriched", broken), tmp_path / "c.parquet")
    with pytest.raises(UserError, match=r"damaged Parquet file .*UTF8"):
        caption_rows(tmp_path / "c.parquet")


def test_a_folder_named_like_a_column_adds_no_column(tmp_path: Path):
    (tmp_path / "label=3").mkdir()
    table = caption_rows(write_columns(tmp_path / "label=3" / "c.parquet"))
    assert table.column("label").to_pylist() == [0, 1]


def test_another_version_of_our_table_is_refused(tmp_path: Path):
    table = CAPTIONS.from_records([own_record("a")])
    newer = {**table.schema.metadata, b"version": b"2"}
    pq.write_table(table.replace_schema_metadata(newer), tmp_path / "c.parquet")
    with pytest.raises(UserError, match="`captions` version 2 found"):
        caption_rows(tmp_path / "c.parquet")


@pytest.mark.parametrize("name", ["image_id", "captioner", "image"])
def test_our_own_table_needs_its_required_values(name, tmp_path: Path):
    table = CAPTIONS.from_records([own_record("a")])
    at = table.schema.get_field_index(name)
    table = table.set_column(at, name, pa.array([None], pa.string()))
    pq.write_table(table, tmp_path / "c.parquet")
    with pytest.raises(UserError, match=f"{name} (is null|None found)"):
        caption_rows(tmp_path / "c.parquet")
