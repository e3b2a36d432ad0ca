"""Answers to browse: some of the wrong and some of the right ones of each benchmark."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_eval.report.scored_run import ScoredRun
from vargpt_eval.scoring.task import TASKS
from vargpt_schema import EVAL_SAMPLES
from vargpt_schema.compute import pc

NUM_WRONG, NUM_RIGHT = 12, 6
_MAX_CHARACTERS = 600
_COLUMNS = [
    *("sample_id", "prompt", "raw_response", "parsed", "target", "score", "category"),
    *("fallback", "error", "finish_reason"),
]


class Example(NamedTuple):
    sample_id: str
    prompt: str
    response: str
    parsed: str | None
    target: str
    score: float | None
    category: str | None
    mark: str | None  # error, cut off, or read by a rule of last resort


class TaskExamples(NamedTuple):
    run: str
    task: str
    title: str
    num_wrong: int  # score below one half, errors included
    num_right: int
    wrong: list[Example]
    right: list[Example]


def browsed(runs: Sequence[ScoredRun]) -> list[TaskExamples]:
    """The same examples for the same samples; benchmarks without stored samples are left out."""
    return [
        _examples(run, task)
        for run in runs
        for task in run.tasks
        if run.folder.samples_dir(task).is_dir()
    ]


def _examples(run: ScoredRun, task: str) -> TaskExamples:
    table = EVAL_SAMPLES.read(run.folder.samples_dir(task), _COLUMNS)
    is_right = pc.fill_null(pc.greater_equal(table.column("score"), 0.5), False)
    right, wrong = table.filter(is_right), table.filter(pc.invert(is_right))
    return TaskExamples(
        run.name,
        task,
        TASKS[task].title,
        wrong.num_rows,
        right.num_rows,
        _drawn(wrong, NUM_WRONG),
        _drawn(right, NUM_RIGHT),
    )


def _drawn(table: pa.Table, number: int) -> list[Example]:
    picks = np.random.default_rng(0).permutation(table.num_rows)[:number]
    return [_example(row) for row in table.take(pa.array(np.sort(picks))).to_pylist()]


def _example(row: dict) -> Example:
    mark = None
    if row["error"] is not None:
        mark = f"error: {row['error']}"
    elif row["finish_reason"] == "length":
        mark = "cut off, not read"
    elif row["fallback"]:
        mark = "read by a rule of last resort"
    return Example(
        row["sample_id"],
        _short(row["prompt"]),
        _short(row["raw_response"]),
        None if row["parsed"] is None else _short(row["parsed"]),
        _short(row["target"]),
        row["score"],
        row["category"],
        None if mark is None else _short(mark),
    )


def _short(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."
