"""Rows of a published folder, read a batch at a time, so that no set is ever whole in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_schema import EVAL_PROMPTS, INSTRUCT, Table, UserError

_BATCH_ROWS = 10_000
# What the rules over rows look at.
_JUDGED = ("sample_id", "messages", "images", "task", "method")


class BuildRows(NamedTuple):
    """The rows of one folder, of one table."""

    table: Table[Any]
    files: Sequence[Path]
    num_rows: int

    def batches(self, columns: Sequence[str], first_row: int = 0) -> Iterator[pa.RecordBatch]:
        """These columns of the rows from `first_row` on, in file order, some thousands together.

        UserError for a damaged file and for a row that breaks a rule of its table.
        """
        judged = _JUDGED if self.table.row_faults else ()
        wanted = [*columns, *(name for name in judged if name not in columns)]
        number = 0
        for path in self.files:
            for batch in self._file_batches(path, wanted):
                start = max(first_row - number, 0)
                number += batch.num_rows
                if start < batch.num_rows:
                    yield batch.select(list(columns)).slice(start)

    def _file_batches(self, path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
        number = 0
        with _damage_is_said(path), pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                batch.validate(full=True)
                self._refuse_faulty(batch, path, number)
                number += batch.num_rows
                yield batch

    def _refuse_faulty(self, batch: pa.RecordBatch, path: Path, first: int) -> None:
        if self.table.row_faults is None:
            return
        faults = self.table.row_faults(pa.Table.from_batches([batch]))
        if faults:
            raise UserError(
                f"{path}, row {first + faults[0].row}: {faults[0].rule}. Rows as the build wrote "
                "them were expected. Run `datagen verify` on the folder."
            )


def instruct_rows(folder: Path) -> BuildRows:
    """The conversations of a folder; UserError where there are none."""
    return _rows_of(folder, INSTRUCT)


def any_rows(folder: Path) -> BuildRows:
    """The conversations or the evaluation prompts of a folder; UserError for any other."""
    first = INSTRUCT.files(folder)[0]
    with _damage_is_said(first):
        metadata = pq.read_schema(first).metadata or {}
    is_prompts = metadata.get(b"table") == EVAL_PROMPTS.name.encode()
    return _rows_of(folder, EVAL_PROMPTS if is_prompts else INSTRUCT)


def _rows_of(folder: Path, table: Table[Any]) -> BuildRows:
    files = table.files(folder)
    num_rows = 0
    for path in files:
        table.file_metadata(path)
        with _damage_is_said(path), pq.ParquetFile(path) as file:
            num_rows += file.metadata.num_rows
            if not file.schema_arrow.equals(table.schema):
                raise UserError(
                    f"{path}: columns {file.schema_arrow.names} found, those of `{table.name}` "
                    f"version {table.version} were expected. Build it again."
                )
    return BuildRows(table, files, num_rows)


@contextmanager
def _damage_is_said(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(
            f"{path}: damaged ({str(error).splitlines()[0]}), readable Parquet was expected. "
            "Run `datagen verify` on the folder, and the command that built it once more."
        ) from error
