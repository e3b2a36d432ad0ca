"""Puts the rows of all sources into one seeded order, by way of the disk: one file a shard.

sources, each in its own order -> a file of unordered rows for each shard -> shards in order
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from vargpt_datagen.folder import BuildFolder
from vargpt_schema import INSTRUCT
from vargpt_schema.compute import pc

ROWS_PER_SHARD = 50_000
_ROWS_IN_MEMORY = 10_000
_RANK = "rank"
_SCHEMA = pa.schema([*INSTRUCT.schema, pa.field(_RANK, pa.uint32())])


class Shuffle:
    """Takes rows with the rank each will have, 0 to num_rows - 1, and writes the shards."""

    def __init__(self, folder: BuildFolder, num_rows: int, rows_per_shard: int) -> None:
        self._data = folder.data
        self._parts = folder.work_dir / "shuffle"
        self._rows_per_shard = rows_per_shard
        self._num_shards = -(-num_rows // rows_per_shard)
        self._waiting: list[pa.Table] = []
        self._writers: list[Any] = []  # of Arrow files

    def __enter__(self) -> "Shuffle":
        shutil.rmtree(self._parts, ignore_errors=True)
        self._parts.mkdir(parents=True)
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._writers = [
            pa.ipc.new_file(str(self._part(shard)), _SCHEMA, options=options)
            for shard in range(self._num_shards)
        ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for writer in self._writers:
            writer.close()
        shutil.rmtree(self._parts)

    def add(self, table: pa.Table, ranks: np.ndarray) -> None:
        """Take rows of table `instruct`; `ranks` has one number for each."""
        self._waiting.append(
            table.append_column(_SCHEMA.field(_RANK), pa.array(ranks, pa.uint32()))
        )
        if sum(table.num_rows for table in self._waiting) >= _ROWS_IN_MEMORY:
            self._spread()

    def shards(self) -> Iterator[Path]:
        """Write every shard, when all rows have been taken."""
        self._spread()
        for writer in self._writers:
            writer.close()
        for shard in range(self._num_shards):
            with pa.memory_map(str(self._part(shard))) as file:
                rows = pa.ipc.open_file(file).read_all()
            ordered = rows.take(pc.sort_indices(rows.column(_RANK))).drop_columns([_RANK])
            del rows
            path = self._data / f"train-{shard:05d}-of-{self._num_shards:05d}.parquet"
            INSTRUCT.write(ordered.replace_schema_metadata(INSTRUCT.schema.metadata), path)
            self._part(shard).unlink()
            yield path

    def _spread(self) -> None:
        if not self._waiting:
            return
        rows = pa.concat_tables(self._waiting).combine_chunks()
        self._waiting.clear()
        shards = rows.column(_RANK).to_numpy() // self._rows_per_shard
        for shard in np.unique(shards).tolist():
            self._writers[shard].write_table(rows.filter(pa.array(shards == shard)))

    def _part(self, shard: int) -> Path:
        return self._parts / f"{shard:05d}.arrow"
