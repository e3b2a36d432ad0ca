"""Metrics of drawn images, a row each, with what they may be compared with."""

from collections.abc import Sequence
from typing import NamedTuple

from vargpt_eval.generation.gen_figures import TASK
from vargpt_eval.report.scored_run import ScoredRun

_LESS_IS_BETTER = ("fid", "kid", "fd_dinov2")


class DrawingRow(NamedTuple):
    run: str
    metric: str
    value: float
    ci95: list[float] | None
    is_fraction: bool
    is_better_low: bool
    num_images: int
    against: str  # reference and extractor, or the CLIP model
    stamp: str | None


def drawing_rows(runs: Sequence[ScoredRun]) -> list[DrawingRow]:
    """All metrics of all runs that have some."""
    return [row for run in runs for row in _rows(run)]


def _rows(run: ScoredRun) -> list[DrawingRow]:
    held = run.summary.get(TASK)
    if held is None:
        return []
    stamps = [held["stamp"]] if held["stamp"] else []
    stamps += ["subset"] if held["is_subset"] else []
    reference = held["reference"]
    name = (
        "no reference" if reference is None else f"{reference['name']} {reference['sha256'][:12]}"
    )
    rows = []
    for metric, figure in held["metrics"].items():
        is_text = metric.startswith("clip_score")
        rows.append(
            DrawingRow(
                run.name,
                metric.replace("_", " "),
                figure["value"],
                figure["ci95"],
                figure["unit"] == "fraction",
                metric.startswith(_LESS_IS_BETTER),
                held["n"],
                "CLIP, its own text" if is_text else f"{name}; {_short(held['extractor'])}",
                ", ".join([stamp for stamp in stamps if not is_text or stamp == "subset"]) or None,
            )
        )
    return rows


def _short(extractor: str) -> str:
    """An extractor's name with its hashes cut to their first digits."""
    words = (word[:12] if len(word) == 64 else word for word in extractor.split())
    return " ".join(words)
