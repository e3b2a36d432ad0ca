"""Every table: record class, Arrow schema and `huggingface` key say the same; readers refuse."""

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vargpt_schema import (
    CAPTIONS,
    INSTRUCT,
    SEEDS,
    TABLES,
    Message,
    SeedRecord,
    Table,
    UserError,
)

ARROW_OF = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
MESSAGE_STRUCT = pa.struct(
    [
        pa.field("role", pa.string(), nullable=False),
        pa.field("content", pa.string(), nullable=False),
    ]
)


def arrow_field(name: str, annotation: object) -> pa.Field:
    """The Arrow field that a record's annotation asks for."""
    nullable = isinstance(annotation, types.UnionType)
    if nullable:
        (annotation,) = (part for part in typing.get_args(annotation) if part is not type(None))
    if typing.get_origin(annotation) is tuple:
        item = typing.get_args(annotation)[0]
        if item is Message:
            return pa.field(name, pa.list_(MESSAGE_STRUCT), nullable=nullable)
        return pa.field(
            name, pa.list_(pa.uint16() if item is int else ARROW_OF[item]), nullable=nullable
        )
    return pa.field(name, ARROW_OF[annotation], nullable=nullable)  # pyright: ignore[reportArgumentType]


def example(table: Table) -> Any:
    """One good record: every text 'x', every number 1, a generation row for `instruct`."""
    values = {str: "x", int: 1, float: 1.0, bool: True}
    hints = typing.get_type_hints(table.record)
    row = {}
    for name, annotation in hints.items():
        if isinstance(annotation, types.UnionType):
            row[name] = None
        elif typing.get_origin(annotation) is tuple:
            row[name] = ()
        else:
            row[name] = values[annotation]
    if table is INSTRUCT:
        row |= {
            "sample_id": "0123456789abcdef",
            "messages": (Message("user", "Draw a cat."), Message("assistant", "A cat.<image_gen>")),
            "images": ("world/00000001.png",),
            "task": "generation",
            "method": "llm",
        }
    return table.record(**row)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_record_class_and_arrow_schema_have_the_same_columns(table):
    hints = typing.get_type_hints(table.record)
    assert [arrow_field(name, annotation) for name, annotation in hints.items()] == list(
        table.schema
    )
    assert dataclasses.is_dataclass(table.record)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_schema_metadata_names_the_table_and_its_version(table):
    assert table.schema.metadata[b"table"] == table.name.encode()
    assert table.schema.metadata[b"version"] == str(table.version).encode()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_huggingface_key_is_what_datasets_makes_of_the_arrow_types(table):
    from datasets import Features

    key = json.loads(table.schema.metadata[b"huggingface"])
    told = Features.from_dict(key["info"]["features"])
    assert told == Features.from_arrow_schema(table.schema.remove_metadata())


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_huggingface_key_writes_lists_in_brackets(table):
    text = table.schema.metadata[b"huggingface"].decode()
    assert '"List"' not in text
    assert '"Sequence"' not in text
    assert text.count(":[") == sum(pa.types.is_list(field.type) for field in table.schema)


def test_instruct_key_is_written_out_literally():
    features = json.loads(INSTRUCT.schema.metadata[b"huggingface"])["info"]["features"]
    text = {"dtype": "string", "_type": "Value"}
    assert features["messages"] == [{"role": text, "content": text}]
    assert features["images"] == [text]
    assert features["label"] == {"dtype": "int64", "_type": "Value"}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_is_written_is_read_back(table, tmp_path: Path):
    record = example(table)
    assert table.write([record, record], tmp_path / "a.parquet") == 2
    assert list(table.records(tmp_path / "a.parquet")) == [record, record]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_shard_loads_in_datasets_with_the_declared_features(table, tmp_path: Path):
    from datasets import Features, load_dataset

    table.write([example(table)], tmp_path / "data" / "train-00000-of-00001.parquet")
    loaded = load_dataset(
        "parquet",
        data_files=str(tmp_path / "data" / "*.parquet"),
        cache_dir=str(tmp_path / "cache"),
        split="train",
    )
    key = json.loads(table.schema.metadata[b"huggingface"])
    assert loaded.features == Features.from_dict(key["info"]["features"])
    assert loaded.num_rows == 1


def test_reader_refuses_an_unknown_version(tmp_path: Path):
    metadata = {**SEEDS.schema.metadata, b"version": b"99"}
    table = SEEDS.from_records([example(SEEDS)]).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "s.parquet")
    with pytest.raises(UserError, match=r"`seeds` version 99 found, this release reads version 1"):
        SEEDS.read(tmp_path / "s.parquet")


def test_reader_refuses_another_table(tmp_path: Path):
    SEEDS.write([example(SEEDS)], tmp_path / "s.parquet")
    with pytest.raises(UserError, match="'seeds' found, 'captions' expected"):
        CAPTIONS.read(tmp_path / "s.parquet")


@pytest.mark.parametrize("content", [b"", b"not parquet", b"PAR1 broken PAR1"])
def test_reader_refuses_a_file_that_is_not_parquet(content, tmp_path: Path):
    (tmp_path / "s.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"s\.parquet: not a readable Parquet file"):
        SEEDS.read(tmp_path / "s.parquet")


def test_reader_says_when_a_folder_holds_no_parquet(tmp_path: Path):
    with pytest.raises(UserError, match="no Parquet file found"):
        SEEDS.read(tmp_path)


def test_writer_refuses_other_columns_and_nulls(tmp_path: Path):
    with pytest.raises(ValueError, match="must be exactly"):
        SEEDS.write(pa.table({"seed_id": ["a"]}), tmp_path / "s.parquet")
    seed = SeedRecord(seed_id="a", kind="prompt", text=None, generator="x")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="text must not hold nulls"):
        SEEDS.write([seed], tmp_path / "s.parquet")
    assert list(tmp_path.iterdir()) == []


def test_shards_are_zstd_with_a_page_index(tmp_path: Path):
    SEEDS.write([example(SEEDS)], tmp_path / "s.parquet")
    column = pq.ParquetFile(tmp_path / "s.parquet").metadata.row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert column.has_offset_index
    assert column.has_column_index


def test_columns_may_be_written_without_a_dictionary(tmp_path: Path):
    plain = ("sample_id", "images.list.element", "messages.list.element.content")
    INSTRUCT.write([example(INSTRUCT)], tmp_path / "rows.parquet", without_dictionary=plain)
    group = pq.ParquetFile(tmp_path / "rows.parquet").metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    has_dictionary = {each.path_in_schema: each.has_dictionary_page for each in columns}
    assert not any(has_dictionary[name] for name in plain)
    assert has_dictionary["caption"]
    assert has_dictionary["messages.list.element.role"]
    assert list(INSTRUCT.records(tmp_path / "rows.parquet")) == [example(INSTRUCT)]
