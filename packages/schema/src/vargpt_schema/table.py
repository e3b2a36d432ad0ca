"""What every table shares: one reader and one writer that refuse what they do not know."""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_schema.conversation import Message
from vargpt_schema.errors import UserError, writing_to
from vargpt_schema.huggingface import huggingface_key

Record = TypeVar("Record")


class RowFault(NamedTuple):
    """One row that breaks a rule of its table."""

    row: int  # 0-based
    rule: str


def table_schema(name: str, version: int, fields: list[pa.Field]) -> pa.Schema:
    """Arrow schema with the metadata that readers check: table, version, `datasets` features."""
    return pa.schema(
        fields,
        metadata={
            "table": name,
            "version": str(version),
            "huggingface": huggingface_key(fields),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Generic[Record]):
    """A table's name, version, record class and Arrow schema, with its reader and writer."""

    name: str
    version: int  # bump on any column change
    record: type[Record]
    schema: pa.Schema
    row_faults: Callable[[pa.Table], list[RowFault]] | None = None

    def from_records(self, records: Iterable[Record]) -> pa.Table:
        """Records as an Arrow table of this schema."""
        rows = list(records)
        columns = [_arrow_column(rows, field) for field in self.schema]
        return pa.table(columns, schema=self.schema)

    def write(
        self,
        data: pa.Table | Iterable[Record],
        path: Path,
        *,
        file_metadata: Mapping[str, str] | None = None,
        without_dictionary: Collection[str] = (),
    ) -> int:
        """Write one Parquet file whole or not at all; returns its rows.

        A dictionary of values that hardly repeat costs time and room: `without_dictionary` names
        such columns, by their path in Parquet where they are nested (`images.list.element`).
        Written under a temporary name, fsynced, renamed. ValueError when the columns are not this
        schema's, a required value is null or a row breaks a rule of the table.
        """
        table: pa.Table = data if isinstance(data, pa.Table) else self.from_records(data)
        if not table.schema.equals(self.schema):
            raise ValueError(
                f"table {self.name}: columns {table.schema.names} must be exactly "
                f"{self.schema.names} with the types of the schema"
            )
        self._refuse_faulty_rows(table)
        metadata = {**(self.schema.metadata or {}), **_as_bytes(file_metadata or {})}
        _write_atomically(table.replace_schema_metadata(metadata), path, without_dictionary)
        return table.num_rows

    def read(self, path: Path, columns: list[str] | None = None) -> pa.Table:
        """One Parquet file, or every `*.parquet` of a folder (or of its `data/`) in name order.

        UserError when there is none, one is unreadable, or one is another table or version.
        """
        tables = [self._read_file(file, columns) for file in self.files(path)]
        return pa.concat_tables(tables)

    def records(self, path: Path) -> Iterator[Record]:
        """The rows of `read` as records."""
        for batch in self.read(path).to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                yield self.record(**{name: _record_value(value) for name, value in row.items()})

    def files(self, path: Path) -> list[Path]:
        """The Parquet files that `read` reads."""
        if path.is_file():
            return [path]
        folder = path / "data" if (path / "data").is_dir() else path
        found = sorted(folder.glob("*.parquet"))
        if not found:
            raise UserError(
                f"{path}: no Parquet file found, a table `{self.name}` was expected. "
                "Give a .parquet file or the folder that holds them."
            )
        return found

    def file_metadata(self, path: Path) -> dict[str, str]:
        """Key-value metadata of one file, after checking that it is this table and version."""
        try:
            metadata = pq.read_schema(path).metadata or {}
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(
                f"{path}: not a readable Parquet file ({_first_line(error)}), a table "
                f"`{self.name}` was expected. Write it again, or check the path."
            ) from error
        found = {key.decode(): value.decode("utf-8", "replace") for key, value in metadata.items()}
        if found.get("table") != self.name:
            raise UserError(
                f"{path}: table {found.get('table', 'unnamed')!r} found, {self.name!r} expected. "
                f"Give a file that this toolkit wrote as `{self.name}`."
            )
        if found.get("version") != str(self.version):
            raise UserError(
                f"{path}: `{self.name}` version {found.get('version')} found, this release reads "
                f"version {self.version}. Build it again, or install the release that wrote it."
            )
        return found

    def _read_file(self, path: Path, columns: list[str] | None) -> pa.Table:
        self.file_metadata(path)
        try:
            table = pq.read_table(path, columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(
                f"{path}: damaged Parquet file ({_first_line(error)}). Build it again."
            ) from error
        wanted = pa.schema([self.schema.field(name) for name in columns or self.schema.names])
        if not table.schema.equals(wanted):
            raise UserError(
                f"{path}: columns {table.schema.names} found, `{self.name}` version "
                f"{self.version} has {self.schema.names}. Build it again."
            )
        return table.replace_schema_metadata(self.schema.metadata)

    def _refuse_faulty_rows(self, table: pa.Table) -> None:
        for field in self.schema:
            if not field.nullable and table.column(field.name).null_count:
                raise ValueError(f"table {self.name}: column {field.name} must not hold nulls")
        faults = self.row_faults(table) if self.row_faults else []
        if faults:
            first = faults[0]
            raise ValueError(
                f"table {self.name}: {len(faults)} rows break its rules; row {first.row}: "
                f"{first.rule}: {table.slice(first.row, 1).to_pylist()[0]}"
            )


def _record_value(value: Any) -> Any:
    """A read value as records hold it: lists as tuples, turns as messages."""
    if not isinstance(value, list):
        return value
    return tuple(Message(**item) if isinstance(item, dict) else item for item in value)


def _arrow_column(rows: list[Any], field: pa.Field) -> pa.Array:
    values = [getattr(row, field.name) for row in rows]
    if pa.types.is_list(field.type) and pa.types.is_struct(field.type.value_type):
        # pyarrow would take a NamedTuple's items for pairs of name and value.
        values = [[item._asdict() for item in value] for value in values]
    return pa.array(values, field.type)


def _as_bytes(metadata: Mapping[str, str]) -> dict[bytes, bytes]:
    return {key.encode(): value.encode() for key, value in metadata.items()}


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


def _leaves(fields: Iterable[pa.Field], above: str = "") -> Iterator[str]:
    """Parquet's paths of the columns that hold values."""
    for field in fields:
        path, kind = f"{above}{field.name}", field.type
        if pa.types.is_list(kind):
            path, kind = f"{path}.list.element", kind.value_type
        if pa.types.is_struct(kind):
            yield from _leaves(kind.fields, f"{path}.")
        else:
            yield path


def _write_atomically(table: pa.Table, path: Path, without_dictionary: Collection[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    use_dictionary: Any = True
    if without_dictionary:
        use_dictionary = [name for name in _leaves(table.schema) if name not in without_dictionary]
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with writing_to(path), temporary.open("wb") as file:
            pq.write_table(
                table,
                file,
                compression="zstd",
                compression_level=3,
                row_group_size=50_000,
                use_dictionary=use_dictionary,
                use_content_defined_chunking=True,  # an edited row changes few bytes on the hub
                write_page_index=True,
            )
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
