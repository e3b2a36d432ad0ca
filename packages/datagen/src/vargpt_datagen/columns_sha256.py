"""A sha256 over columns of text and whole numbers that no chunking or release of Arrow changes."""

import hashlib
import json
from typing import Any

import numpy as np
import pyarrow as pa

from vargpt_schema.compute import pc

_ROWS_AT_ONCE = 50_000  # a multiple of 8: flags are hashed eight to a byte


def columns_sha256(said_of_all: list[str], table: pa.Table) -> str:
    """Hex digest over some words and over names, values and nulls of columns of text or int64.

    A text column's lengths and bytes are hashed apart, so that no two values pass for another two.
    """
    said = [*said_of_all]
    for name in table.column_names:
        said += [name, *_column_digests(table.column(name))]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _column_digests(column: pa.ChunkedArray) -> list[str]:
    """Of the nulls, of the numbers (a text's length in bytes), of the text."""
    nulls, numbers, text = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    for start in range(0, len(column), _ROWS_AT_ONCE):
        block: Any = column.slice(start, _ROWS_AT_ONCE).combine_chunks()
        nulls.update(np.packbits(block.is_null().to_numpy(zero_copy_only=False)).tobytes())
        if not pa.types.is_int64(block.type):
            block = pc.fill_null(pc.cast(block, pa.string()), "")
            _, offsets, data = block.buffers()
            ends = np.frombuffer(offsets, "<i4")[block.offset : block.offset + len(block) + 1]
            text.update(memoryview(data or b"")[ends[0] : ends[-1]])
            block = pc.binary_length(block)
        block = pc.fill_null(pc.cast(block, pa.int64()), 0)
        numbers.update(block.to_numpy().astype("<i8", copy=False).tobytes())
    return [nulls.hexdigest(), numbers.hexdigest(), text.hexdigest()]
