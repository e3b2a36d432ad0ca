"""The given scorer cases as rows of the hub's data sets with their predictions."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_eval.scoring.item import BenchmarkItem, ItemScore
from vargpt_eval.scoring.profile import Profile
from vargpt_eval.scoring.task import TASKS, Task

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = json.loads((GOLDEN / "eval_cases.json").read_text("utf-8"))
# The cases' names for the profiles.
KEYS: dict[Profile, str] = {
    "vargpt-0.3.0": "vargpt-vendored-0.3.0",
    "lmms-eval-0.7.3": "lmms-eval-0.7.3",
}


class Case(NamedTuple):
    task: Task
    why: str
    item: BenchmarkItem
    response: str  # stripped, as lmms-eval hands it to a scorer; empty for None
    expected: dict[str, Any]


def cases_of(benchmark: str, profile: Profile) -> list[Case]:
    """Every case of one benchmark; POPE's stand for all three splits."""
    task = TASKS["pope_adv" if benchmark == "pope" else benchmark]
    held = CASES["benchmarks"][benchmark]["items"]
    rows = [row_of(benchmark, case, number) for number, case in enumerate(held)]
    items = [task.item(row, sample_id) for row, sample_id in zip(rows, task.ids(rows), strict=True)]
    return [
        Case(task, case["why"], item, row["prediction"].strip(), case["expected"][KEYS[profile]])
        for case, row, item in zip(held, rows, items, strict=True)
    ]


def row_of(benchmark: str, case: dict[str, Any], number: int) -> dict[str, Any]:
    """The case with the columns of its data set on the hub."""
    row = {"question_id": str(number), "id": str(number), **case}
    row["prediction"] = (case.get("prediction") or "") if "row" not in case else ""
    if benchmark == "mmbench_en_dev":
        row |= case["row"]
    if benchmark == "mmmu_val":
        row["question_type"] = case["type"]
        row["options"] = str(case.get("options", []))
    if benchmark == "scienceqa_img":
        row |= {"answer": case["answer_index"], "choices": ["v", "w", "x", "y", "z"]}
    return row


def score_of(case: Case, profile: Profile) -> ItemScore:
    return case.task.score(case.response, case.item, profile)
