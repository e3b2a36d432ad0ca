"""Small files of answers, in the two forms that `vargpt-eval score` reads."""

import json
from pathlib import Path
from typing import Any

from vargpt_schema import ANSWERS, AnswerRecord


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def gqa_rows(num_rows: int, num_right: int, **more: Any) -> list[dict[str, Any]]:
    """GQA questions, three an image, answered `left`; the first `num_right` rightly."""
    return [
        {
            "id": f"q{number}",
            "imageId": f"image{number // 3}",
            "question": f"Where is thing {number}?",
            "answer": "left" if number < num_right else "right",
            "prediction": "Left.",
            **more,
        }
        for number in range(num_rows)
    ]


def answer(sample_id: str, response: str, **more: Any) -> AnswerRecord:
    return AnswerRecord(
        **{
            "task": "gqa",
            "sample_id": sample_id,
            "prompt": f"Question {sample_id}?",
            "images": (f"{sample_id}.jpg",),
            "raw_response": response,
            "finish_reason": "stop",
            "error": None,
            "model_sha256": "a" * 64,
            "generation_config_sha256": "b" * 64,
            **more,
        }
    )


def write_table(folder: Path, answers: list[AnswerRecord], rows: list[dict[str, Any]]) -> Path:
    """An `answers` table with the items of GQA beside it."""
    ANSWERS.write(answers, folder / "0-00000.parquet")
    write_jsonl(folder / "gqa.items.jsonl", rows)
    return folder
