"""`vargpt-eval compare`: two runs on the items that both answered, as pairs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vargpt_eval.compare_drawn import DrawnDifference, drawn_differences
from vargpt_eval.metrics.bootstrap import ClusterSums, Floats, bootstrap_draws, interval_of
from vargpt_eval.metrics.measure import Measure, measure
from vargpt_eval.report.scored_run import ScoredRun, read_runs
from vargpt_eval.run_folder import write_json
from vargpt_eval.scoring.task import TASKS, Task
from vargpt_schema import EVAL_SAMPLES, EvalSampleRecord, UserError

NUM_SWAPS = 2_000
_SWAPS_PER_CHUNK = 4_000_000


class TaskComparison(NamedTuple):
    """B less A in the headline metric, over shared items alone."""

    task: str
    metric: str
    is_points: bool
    num_shared: int
    num_only_a: int
    num_only_b: int
    value_a: float
    value_b: float
    delta: float
    ci95: tuple[float, float] | None  # paired bootstrap over clusters
    swap_p: float  # two-sided, clusters' answers swapped between the runs
    num_a_better: int
    num_b_better: int
    mcnemar_p: float | None  # exact; None where scores are not all 0 or 1

    @property
    def is_within_noise(self) -> bool | None:
        """Whether the interval holds 0; None without an interval."""
        return None if self.ci95 is None else self.ci95[0] <= 0 <= self.ci95[1]


class Comparison(NamedTuple):
    """Everything that two runs share."""

    tasks: list[TaskComparison]
    drawn: list[DrawnDifference]


def compare_runs(a: Path, b: Path, out: Path | None = None) -> Comparison:
    """Every benchmark and metric that both runs have; written to OUT as JSON when given.

    UserError for runs of two profiles, nothing shared, shared ids whose items differ, and drawings
    set beside another reference or seen by another extractor.
    """
    run_a, run_b = read_runs([a, b])
    if None not in (run_a.profile, run_b.profile) and run_a.profile != run_b.profile:
        raise UserError(
            f"{a}: profile {run_a.profile}, {b}: profile {run_b.profile} found, one for both "
            "expected. Score one of them again with --profile."
        )
    shared = [task for task in run_a.tasks if task in run_b.tasks]
    drawn = drawn_differences(run_a, run_b)
    if not shared and not drawn:
        raise UserError(
            f"{a} has {', '.join(run_a.tasks) or 'no benchmark'}, {b} has "
            f"{', '.join(run_b.tasks) or 'none'}; one in both expected. Score more answers."
        )
    found = [_compared(TASKS[task], run_a, run_b) for task in shared]
    if out is not None:
        write_json(out, _as_json(run_a, run_b, found, drawn))
    return Comparison(found, drawn)


def _compared(task: Task, run_a: ScoredRun, run_b: ScoredRun) -> TaskComparison:
    by_id = [_scored_samples(run, task) for run in (run_a, run_b)]
    shared = sorted(by_id[0].keys() & by_id[1].keys())
    for sample_id in shared:
        if by_id[0][sample_id].doc_hash != by_id[1][sample_id].doc_hash:
            raise UserError(
                f"{task.name}: item {sample_id!r} differs between {run_a.name} and {run_b.name}, "
                "the same question and answer expected. Score both with the same items."
            )
    a, b = ([held[sample_id] for sample_id in shared] for held in by_id)
    measured = [measure(task.kind, samples) for samples in (a, b)]
    if not shared or not measured[0].clusters.cluster_ids:
        raise UserError(
            f"{task.name}: no item that both {run_a.name} and {run_b.name} have scored found, at "
            "least one expected. Score the same items."
        )
    metric = _shared_metric(task, measured[0])
    values = [one.values()[metric] for one in measured]
    pairs = np.array([[x.score or 0.0, y.score or 0.0] for x, y in zip(a, b, strict=True)])
    better_a, better_b = (
        int((pairs[:, 0] > pairs[:, 1]).sum()),
        int((pairs[:, 1] > pairs[:, 0]).sum()),
    )
    is_binary = bool(np.isin(pairs, (0.0, 1.0)).all())
    return TaskComparison(
        task=task.name,
        metric=metric,
        is_points=metric in measured[0].points,
        num_shared=len(shared),
        num_only_a=len(by_id[0]) - len(shared),
        num_only_b=len(by_id[1]) - len(shared),
        value_a=values[0],
        value_b=values[1],
        delta=values[1] - values[0],
        ci95=_paired_interval(measured[0], measured[1], metric),
        swap_p=_swap_p(measured[0], measured[1], metric),
        num_a_better=better_a,
        num_b_better=better_b,
        mcnemar_p=mcnemar_p(better_a, better_b) if is_binary else None,
    )


def mcnemar_p(only_a: int, only_b: int) -> float:
    """Exact two-sided p that items right in one run alone fall evenly on both (McNemar 1947)."""
    n, fewer = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    tail = ways = 1  # of n items, none
    for k in range(1, fewer + 1):
        ways = ways * (n - k + 1) // k
        tail += ways
    return min(1.0, 2 * tail / 2**n)


def _scored_samples(run: ScoredRun, task: Task) -> dict[str, EvalSampleRecord]:
    records = EVAL_SAMPLES.records(run.folder.samples_dir(task.name))
    return {sample.sample_id: sample for sample in records if sample.score is not None}


def _shared_metric(task: Task, measured: Measure) -> str:
    values = measured.values()
    return task.headline if task.headline in values else next(iter(values))


def _paired_interval(a: Measure, b: Measure, metric: str) -> tuple[float, float] | None:
    """The same clusters are drawn for both runs."""
    sums = {f"a {name}": column for name, column in a.clusters.sums.items()}
    sums |= {f"b {name}": column for name, column in b.clusters.sums.items()}
    both = ClusterSums(a.clusters.cluster_ids, sums, a.clusters.strata)

    def difference(totals: Mapping[str, Floats]) -> dict[str, Floats]:
        of_a, of_b = (
            {name[2:]: column for name, column in totals.items() if name[0] == side}
            for side in "ab"
        )
        return {metric: b.metrics_of(of_b)[metric] - a.metrics_of(of_a)[metric]}

    draws = bootstrap_draws(both, difference)[metric]
    return interval_of(draws, len(both.cluster_ids)).ci95


def _swap_p(a: Measure, b: Measure, metric: str) -> float:
    """Share of random swaps of whole clusters between the runs that part them at least as far."""
    names = list(a.clusters.sums)
    of_a, of_b = (
        np.stack([one.clusters.sums[name] for name in names], axis=1) for one in (a, b)
    )  # (C, K)
    generator = np.random.default_rng(0)
    observed = abs(b.values()[metric] - a.values()[metric])
    step = max(1, _SWAPS_PER_CHUNK // len(of_a))
    num_as_far = 0
    for start in range(0, NUM_SWAPS, step):
        num = min(step, NUM_SWAPS - start)
        swaps = generator.integers(0, 2, size=(num, len(of_a)), dtype=np.int8).astype(np.float64)
        moved = swaps @ (of_b - of_a)  # (draws, K)
        totals_a, totals_b = of_a.sum(axis=0) + moved, of_b.sum(axis=0) - moved
        parted = _metric(b, metric, names, totals_b) - _metric(a, metric, names, totals_a)
        num_as_far += int((np.abs(parted) >= observed - 1e-12).sum())
    return (1 + num_as_far) / (1 + NUM_SWAPS)


def _metric(one: Measure, metric: str, names: Sequence[str], totals: Floats) -> Floats:
    return one.metrics_of({name: totals[:, i] for i, name in enumerate(names)})[metric]


def _as_json(
    a: ScoredRun,
    b: ScoredRun,
    found: Sequence[TaskComparison],
    drawn: Sequence[DrawnDifference],
) -> dict[str, Any]:
    return {
        "a": a.name,
        "b": b.name,
        "profile": a.profile,
        "tasks": {
            one.task: {**one._asdict(), "is_within_noise": one.is_within_noise} for one in found
        },
        "drawn": {one.metric: one._asdict() for one in drawn},
    }
