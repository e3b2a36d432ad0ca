"""ANSWERS of the command line: stored answers joined to their benchmark's items."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_eval.scored_sample import Answered
from vargpt_eval.scoring.item import BenchmarkItem
from vargpt_eval.scoring.task import Task
from vargpt_schema import ANSWERS, UserError
from vargpt_schema.compute import pc

_PARQUET_START = b"PAR1"
_JOINED_COLUMNS = [
    *("task", "sample_id", "prompt", "raw_response", "finish_reason", "error"),
    *("model_sha256", "generation_config_sha256"),
]


class StoredAnswers(NamedTuple):
    """Answers of one model to one benchmark, each with its item."""

    answers: list[Answered]
    num_items: int  # items that the answers were looked up among
    model_sha256: str | None  # None where the file does not say
    generation_config_sha256: str | None


class NumberedRow(NamedTuple):
    """A JSON object and the number of its line, from 1."""

    line: int
    row: dict[str, Any]


def read_answers(path: Path, task: Task, items: Path | None = None) -> StoredAnswers:
    """Answers of one task.

    A `.jsonl` file holds items and answers together: the hub's columns, `prediction`, and if known
    `finish_reason`, `error`, `prompt`, `model_sha256`, `generation_config_sha256`. Anything else is
    an `answers` table; its items come from a JSON Lines file of the hub's columns, by default
    TASK.items.jsonl beside the table.

    UserError for an empty file, rows of another form, two answers to one item, answers to unknown
    items, and answers of more than one model or generation config.
    """
    if path.suffix == ".jsonl" and items is None:
        stored = _from_jsonl(path, task)
    else:
        stored = _from_table(path, task, items)
    if not stored.answers:
        raise UserError(
            f"{path}: no answer to {task.name} found, at least one expected. "
            "Check --task, or run the benchmark first."
        )
    return stored


def items_path(path: Path, task: Task) -> Path:
    """Where the items of an `answers` table lie unless said otherwise."""
    return (path if path.is_dir() else path.parent) / f"{task.name}.items.jsonl"


def _items_beside(path: Path, task: Task) -> Path:
    found = items_path(path, task)
    if not found.is_file():
        raise UserError(
            f"{found}: not found, the items of {task.name} expected beside the answers (JSON "
            "Lines, the hub's columns). Give them with --items FILE."
        )
    return found


def _from_jsonl(path: Path, task: Task) -> StoredAnswers:
    rows = list(json_lines(path))
    items = _items(path, rows, task)
    answers = [_answered(path, numbered, item) for numbered, item in zip(rows, items, strict=True)]
    models = {_text(path, numbered, "model_sha256") for numbered in rows}
    configs = {_text(path, numbered, "generation_config_sha256") for numbered in rows}
    return StoredAnswers(
        answers,
        len(items),
        _only(path, "model_sha256", models),
        _only(path, "generation_config_sha256", configs),
    )


def _answered(path: Path, numbered: NumberedRow, item: BenchmarkItem) -> Answered:
    if "prediction" not in numbered.row:
        raise UserError(
            f"{path}, line {numbered.line}: no `prediction` found, the model's answer expected. "
            "Add it, or give items and an `answers` table apart with --items FILE."
        )
    return Answered(
        item,
        _text(path, numbered, "prompt") or _text(path, numbered, "question") or "",
        _text(path, numbered, "prediction") or "",
        _text(path, numbered, "finish_reason"),
        _text(path, numbered, "error"),
    )


def _from_table(path: Path, task: Task, items: Path | None) -> StoredAnswers:
    if not path.exists():
        raise UserError(f"{path}: not found, a file or folder of answers expected. Check the path.")
    if path.suffix == ".jsonl":
        raise UserError(
            f"{path}: items and answers together found, a table `answers` expected beside --items. "
            "Leave --items out, or give the table."
        )
    if path.is_file() and path.suffix != ".parquet" and not _is_parquet(path):
        raise UserError(
            f"{path}: no Parquet file found, a table `answers` expected, or items and answers "
            "together in a file whose name ends in .jsonl. Write the answers as one of both."
        )
    table = ANSWERS.read(path, _JOINED_COLUMNS)
    tasks = pc.unique(table.column("task")).to_pylist()
    table = table.filter(pc.equal(table.column("task"), task.name))
    if table.num_rows == 0 and tasks:
        raise UserError(
            f"{path}: answers to {', '.join(map(repr, sorted(tasks)))} found, to {task.name} "
            "expected. "
            "Give --task the name of one that is there."
        )
    items = items or _items_beside(path, task)
    by_id = {item.sample_id: item for item in _items(items, list(json_lines(items)), task)}
    answers = []
    seen: set[str] = set()
    for row in table.drop_columns(["task"]).to_pylist():
        sample_id = row["sample_id"]
        if sample_id not in by_id:
            raise UserError(
                f"{path}: an answer to item {sample_id!r} found, which {items} does not hold. "
                "Give --items the file that these answers were made from."
            )
        if sample_id in seen:
            raise _twice(path, sample_id)
        seen.add(sample_id)
        answers.append(
            Answered(
                by_id[sample_id],
                row["prompt"],
                row["raw_response"],
                row["finish_reason"],
                row["error"],
            )
        )
    models = set(pc.unique(table.column("model_sha256")).to_pylist())
    configs = set(pc.unique(table.column("generation_config_sha256")).to_pylist())
    return StoredAnswers(
        answers,
        len(by_id),
        _only(path, "model_sha256", models),
        _only(path, "generation_config_sha256", configs),
    )


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_PARQUET_START)) == _PARQUET_START


def _items(path: Path, rows: Sequence[NumberedRow], task: Task) -> list[BenchmarkItem]:
    try:
        ids = task.ids([numbered.row for numbered in rows])
    except KeyError as error:
        raise UserError(
            f"{path}: column {error} not found in every row, the columns of {task.name} on the "
            "hub expected. Check --task, or write the file again."
        ) from error
    items = []
    seen: set[str] = set()
    for (line, row), sample_id in zip(rows, ids, strict=True):
        try:
            items.append(task.item_of(row, sample_id))
        except ValueError as error:
            raise UserError(
                f"{path}, line {line}: {error}, a row of {task.name} as on the hub expected. "
                "Check --task, or write the file again."
            ) from error
        if sample_id in seen:
            raise _twice(path, sample_id)
        seen.add(sample_id)
    return items


def json_lines(path: Path) -> Iterator[NumberedRow]:
    """Objects of a JSON Lines file with their line numbers. UserError for anything else."""
    number = 0
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"a JSON {type(row).__name__}, not an object")
                if "\\ud" in line.lower():  # escapes of surrogates, which may lack their half
                    _expect_whole_characters(row)
                yield NumberedRow(number, row)
    except OSError as error:
        raise UserError(
            f"{path}: not readable ({error.strerror}), a JSON Lines file expected. Check the path."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 ({error}), JSON Lines expected. Write it again."
        ) from error
    except ValueError as error:  # JSON's own errors are such
        raise UserError(
            f"{path}, line {number}: {error}, one JSON object a line expected. Mend the line."
        ) from error


def _expect_whole_characters(row: dict[str, Any]) -> None:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair, which is no character") from error


def _text(path: Path, numbered: NumberedRow, name: str) -> str | None:
    value = numbered.row.get(name)
    if value is not None and not isinstance(value, str):
        raise UserError(
            f"{path}, line {numbered.line}: {name} is {value!r}, a text or null expected. "
            "Write the file again."
        )
    return value


def _only(path: Path, name: str, values: set[str | None]) -> str | None:
    if len(values) > 1:
        shown = " and ".join(sorted(repr(value) for value in values)[:2])
        raise UserError(
            f"{path}: {name} {shown} found, one for all answers expected. "
            "Keep each model's answers in a file of their own."
        )
    return next(iter(values), None)


def _twice(path: Path, sample_id: str) -> UserError:
    return UserError(
        f"{path}: item {sample_id!r} found twice, once expected. Remove one of the two rows."
    )
