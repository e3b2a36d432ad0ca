"""LLaMA-Factory's form: `messages` and `images` as its sharegpt loader reads them."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from vargpt_datagen.export.json_text import json_objects, json_texts, list_texts, object_texts
from vargpt_datagen.folder import write_text
from vargpt_schema import UserError
from vargpt_schema.compute import pc

COLUMNS = ("messages", "images")
INDEX_COLUMN = "label"
DATASET_INFO = "dataset_info.json"


def llama_factory_lines(rows: pa.RecordBatch) -> pa.Array:
    """One JSON object a row; with the label given, as `file_index` in front of the others.

    Paper Fig 15 has this order of keys, within a turn too, and `file_index` in the -class set.
    """
    messages = rows.column("messages")
    turns = pc.list_flatten(messages)
    texts = {
        "messages": list_texts(
            json_objects({name: pc.struct_field(turns, name) for name in ("content", "role")}),
            pc.cast(pc.list_value_length(messages), pa.int64()),
        ),
        "images": json_texts(rows.column("images")),
    }
    if INDEX_COLUMN in rows.schema.names:
        texts = {"file_index": json_texts(rows.column(INDEX_COLUMN)), **texts}
    return object_texts(texts)


def dataset_entry(file_name: str) -> dict[str, Any]:
    """What `dataset_info.json` says of a file of this form."""
    return {
        "file_name": file_name,
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
        },
    }


def expect_room_for_entry(out: Path) -> None:
    """UserError when the entry of `out` could not be added to the dataset_info.json beside it."""
    _with_entry(_read_info(_info_path(out)), out)


def add_entry(out: Path) -> Path:
    """Add the entry named after `out` to the dataset_info.json beside it; returns its path.

    Other entries and their order stay. UserError when another file's entry has that name.
    """
    path = _info_path(out)
    with _held(path.parent):
        entries = _with_entry(_read_info(path), out)
        write_text(path, json.dumps(entries, ensure_ascii=False, indent=2) + "\n")
    return out.parent / DATASET_INFO


def _info_path(out: Path) -> Path:
    return (out.parent / DATASET_INFO).resolve()  # a link keeps leading to the changed file


def _with_entry(entries: Mapping[str, Any], out: Path) -> dict[str, Any]:
    entry = dataset_entry(out.name)
    if entries.get(out.stem, entry) != entry:
        raise UserError(
            f"{out.parent / DATASET_INFO}: an entry {out.stem!r} for something else found, a free "
            "name was expected. Name the file given with --out otherwise: its name is the entry's."
        )
    return {**entries, out.stem: entry}


def _read_info(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}), the data sets of LLaMA-Factory as JSON were "
            "expected. Mend it, or export to a folder without one."
        ) from error
    if not isinstance(entries, dict):
        raise UserError(
            f"{path}: {type(entries).__name__} found, one JSON object of data sets was expected. "
            "Mend it, or export to a folder without one."
        )
    return entries


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other exports from changing the same dataset_info.json meanwhile."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
