"""Exports read back as rows: what the form holds of the table `instruct`."""

import json
import re
import tarfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from vargpt_datagen.export.llava import SPEAKERS
from vargpt_schema import EVAL_PROMPTS, INSTRUCT, UserError

_ROWS_IN_MEMORY = 5_000  # as Python objects, which take ten times the room of Arrow's columns
_READ_CHARACTERS = 2**20
_ROW_CHARACTERS = 2**26  # at most; a longer one is broken
_BLANK = re.compile(r"\s*")
_BETWEEN = re.compile(r"[\s,]*")
_ROLES = {speaker: role for role, speaker in SPEAKERS.items()}

Row = dict[str, Any]


def read_export(path: Path) -> pa.Table:
    """The rows of a file in LLaMA-Factory's, LLaVA's or plain JSON form, or of a folder of tars.

    Columns have names, order and types of `instruct` (of `eval_prompts` where the rows are
    prompts); those that the form leaves out are missing. Pictures in tars are left where they are.
    UserError for broken JSON or tars and for rows that have not the form of the first one.
    """
    rows = _objects(path, _of_tars(path) if path.is_dir() else _of_text(path))
    first = next(rows, None)
    if first is None:
        return pa.table({})
    row_of, schema = _form_of(first, path)
    tables = [_table([first], row_of, schema, path)]
    while chunk := list(islice(rows, _ROWS_IN_MEMORY)):
        tables.append(_table(chunk, row_of, schema, path))
    return pa.concat_tables(tables)


def _form_of(first: Row, path: Path) -> tuple[Callable[[Row], Row], pa.Schema]:
    if "conversations" in first:
        return _from_llava, _part_of(INSTRUCT.schema, {"sample_id", "messages", "images"})
    if "messages" in first:
        names = {"label" if name == "file_index" else name for name in first}
        return _from_messages, _part_of(INSTRUCT.schema, names)
    if "prompt_id" in first:
        return dict, EVAL_PROMPTS.schema
    raise UserError(
        f"{path}: a row with the keys {', '.join(first)} found, messages, conversations or "
        "prompt_id were expected. Give a file that `datagen export` wrote."
    )


def _part_of(schema: pa.Schema, names: set[str]) -> pa.Schema:
    return pa.schema([field for field in schema if field.name in names], schema.metadata)


def _from_messages(row: Row) -> Row:
    return {"label": row.get("file_index"), **row}


def _from_llava(row: Row) -> Row:
    image = row.get("image", [])
    return {
        "sample_id": row["id"],
        "images": image if isinstance(image, list) else [image],
        "messages": [
            {"role": _ROLES[turn["from"]], "content": turn["value"]}
            for turn in row["conversations"]
        ],
    }


def _table(
    rows: list[Row], row_of: Callable[[Row], Row], schema: pa.Schema, path: Path
) -> pa.Table:
    try:
        found = [row_of(row) for row in rows]
        columns = [pa.array([row[field.name] for row in found], field.type) for field in schema]
    except (KeyError, TypeError, AttributeError, pa.ArrowException) as error:
        raise UserError(
            f"{path}: a row of another form than the first ({error!r}), rows of one form were "
            "expected. Give a file that `datagen export` wrote."
        ) from error
    return pa.table(columns, schema=schema)


def _objects(path: Path, values: Iterator[Any]) -> Iterator[Row]:
    """Each value as the JSON object that it has to be."""
    number = 0
    try:
        for row in values:
            if not isinstance(row, dict):
                raise ValueError(f"{type(row).__name__} found")
            yield row
            number += 1
    except (OSError, ValueError, RecursionError, tarfile.TarError) as error:
        raise UserError(
            f"{path}, row {number}: cannot be read ({error}), JSON objects were expected. "
            "Export it again."
        ) from error


def _of_tars(folder: Path) -> Iterator[Any]:
    """What the tars of a WebDataset say of each row, in their order."""
    tars = sorted(folder.glob("*.tar"))
    if not tars:
        raise FileNotFoundError("no .tar file in it")
    for path in tars:
        with tarfile.open(path, "r|") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name.endswith(".json") else None
                if file is not None:
                    yield json.load(file)


def _of_text(path: Path) -> Iterator[Any]:
    """The values of a JSON array, or of JSON lines, one at a time."""
    with path.open(encoding="utf-8") as file:
        yield from _decoded(file)


def _decoded(file: TextIO) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    text = file.read(_READ_CHARACTERS)
    at = _end_of(_BLANK, text, 0)
    is_array = text.startswith("[", at)
    at += is_array
    while True:
        at = _end_of(_BETWEEN, text, at)
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            more = file.read(_READ_CHARACTERS)
            if more and len(text) - at < _ROW_CHARACTERS:  # a row may just not have ended yet
                text, at = text[at:] + more, 0
                continue
            if more or text[at:].strip() != ("]" if is_array else ""):
                raise
            return
        yield value


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at
