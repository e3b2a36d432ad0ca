"""Runs scored from invented answers, small enough for every test that needs one."""

from pathlib import Path
from typing import Any

from tests.eval.answered import gqa_rows, write_jsonl
from vargpt_eval.score import score_answers


def quiet(done: int, total: int) -> None:
    """No progress."""


def gqa_run(folder: Path, num_rows: int, num_right: int, **more: Any) -> Path:
    return score_rows(folder, "gqa", gqa_rows(num_rows, num_right, **more))


def mmmu_rows(num_right: int, num_rows: int = 900) -> list[dict[str, Any]]:
    return [
        {
            "id": f"validation_{'Art' if number % 2 else 'Math'}_{number}",
            "question_type": "multiple-choice",
            "options": ["cat", "dog", "bird", "fish"],
            "answer": "A",
            "prediction": "A" if number < num_right else "B",
        }
        for number in range(num_rows)
    ]


def score_rows(folder: Path, task: str, rows: list[dict[str, Any]], **options: Any) -> Path:
    answers = write_jsonl(folder.parent / f"{folder.name}-{task}.jsonl", rows)
    score_answers(answers, task, folder, quiet, **options)
    return folder
