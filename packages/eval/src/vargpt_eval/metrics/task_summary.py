"""One benchmark's figures, ready for summary.json."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vargpt_eval.counted import counted
from vargpt_eval.metrics.bootstrap import NUM_DRAWS, SEED, bootstrap_draws, interval_of
from vargpt_eval.metrics.measure import BY, Measure, measure
from vargpt_eval.paper import LLAVA, VARGPT, paper_value
from vargpt_eval.scored_sample import TRUNCATED
from vargpt_eval.scoring.profile import Profile
from vargpt_eval.scoring.task import Task
from vargpt_schema import EvalSampleRecord, UserError


def task_summary(
    task: Task,
    profile: Profile,
    samples: Sequence[EvalSampleRecord],
    read_as_text: Sequence[EvalSampleRecord],
) -> dict[str, Any]:
    """Metrics with their 95 % intervals, counts, and the paper's numbers beside a whole run's.

    `read_as_text` are the same samples with cut-off answers scored like any other. UserError when
    nothing could be scored.
    """
    measured = measure(task.kind, samples)
    if not measured.clusters.cluster_ids:
        raise UserError(
            f"{task.name}: {counted(len(samples), 'answer')} found, "
            f"{counted(sum(one.error is not None for one in samples), 'error')} among them, and "
            "none that can be scored; at least one expected. "
            "Run the benchmark again with `vargpt-eval run --retry-errors`."
        )
    figures = _figures(measured)
    is_subset = task.num_items is not None and len(samples) != task.num_items
    return {
        "task": task.name,
        "title": task.title,
        "profile": profile,
        "headline": _headline(task, figures),
        "n": len(samples),
        "num_items": task.num_items,
        "is_subset": is_subset,
        "n_error": sum(one.error is not None for one in samples),
        "n_truncated": sum(is_truncated(one) for one in samples),
        "n_fallback": sum(one.fallback for one in samples),
        "n_left_out": measured.num_left_out,
        "metrics": {name: value for name, value in figures.items() if not name.startswith(BY)},
        "subgroups": {
            name.removeprefix(BY): value for name, value in figures.items() if name.startswith(BY)
        },
        "beside": {**_beside(task, samples, read_as_text), **measured.beside},
        "bootstrap": {
            "num_draws": NUM_DRAWS,
            "seed": SEED,
            "num_clusters": len(measured.clusters.cluster_ids),
            "num_strata": len(set(measured.clusters.strata.tolist())),
        },
        "paper": {} if is_subset else _paper(task, figures),
    }


def is_truncated(sample: EvalSampleRecord) -> bool:
    """Whether the answer was cut off, by its limit or a full context."""
    return sample.error is None and sample.finish_reason == TRUNCATED


def _figures(measured: Measure) -> dict[str, dict[str, Any]]:
    draws = bootstrap_draws(measured.clusters, measured.metrics_of)
    figures = {}
    for name, value in measured.values().items():
        interval = interval_of(draws[name], measured.clusters_under(name))
        figures[name] = {
            "value": value,
            "ci95": None if interval.ci95 is None else list(interval.ci95),
            "se": interval.se,
            "unit": "points" if name in measured.points else "fraction",
        }
    return figures


def _headline(task: Task, figures: dict[str, Any]) -> str:
    """The paper's metric, or where this run has no answer to it the first that it has."""
    return task.headline if task.headline in figures else next(iter(figures))


def _beside(
    task: Task,
    samples: Sequence[EvalSampleRecord],
    read_as_text: Sequence[EvalSampleRecord],
) -> dict[str, float]:
    """The headline under other rules for what could not be read."""
    found = {}
    if any(is_truncated(one) for one in samples):
        found["truncated_read_as_text"] = _headline_value(task, read_as_text)
    if any(one.fallback for one in samples):
        strict = [replace(one, score=0.0) if one.fallback else one for one in samples]
        found["fallback_counted_wrong"] = _headline_value(task, strict)
    if any(one.error is not None for one in samples):
        wrong = [replace(one, score=0.0) if one.error is not None else one for one in samples]
        found["error_counted_wrong"] = _headline_value(task, wrong)
    return found


def _headline_value(task: Task, samples: Sequence[EvalSampleRecord]) -> float:
    values = measure(task.kind, samples).values()
    return values.get(task.headline, next(iter(values.values())))


def _paper(task: Task, figures: dict[str, Any]) -> dict[str, Any]:
    """The paper's two rows that ran on this benchmark, and how far ours is from each."""
    found = {}
    for row in (VARGPT, LLAVA):
        printed = paper_value(row, task.name, task.headline)
        figure = figures.get(task.headline)
        if printed is None or figure is None:
            continue
        interval = figure["ci95"]
        found[row] = {
            "value": printed,
            "delta": figure["value"] - printed,
            "is_within_ci95": None if interval is None else interval[0] <= printed <= interval[1],
        }
    return found
