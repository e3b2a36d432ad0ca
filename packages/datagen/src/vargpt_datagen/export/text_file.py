"""JSON text of rows as a file: one array, or one object a line; written as it is made."""

from collections.abc import Iterable
from typing import BinaryIO

import pyarrow as pa

from vargpt_datagen.export.json_text import text_bytes
from vargpt_datagen.progress import Progress
from vargpt_schema.compute import pc


def write_array(file: BinaryIO, objects: Iterable[pa.Array], num_rows: int, show: Progress) -> None:
    """Write JSON objects as one array, an object a line."""
    file.write(b"[")
    done = 0
    for texts in objects:
        data = text_bytes(pc.binary_join_element_wise(",\n", texts, ""))
        file.write(data if done else data.slice(1))  # no comma before the first
        done += len(texts)
        show(done, num_rows)
    file.write(b"\n]\n")


def write_lines(file: BinaryIO, objects: Iterable[pa.Array], num_rows: int, show: Progress) -> None:
    """Write JSON objects one a line."""
    done = 0
    for texts in objects:
        file.write(text_bytes(pc.binary_join_element_wise(texts, "\n", "")))
        done += len(texts)
        show(done, num_rows)
