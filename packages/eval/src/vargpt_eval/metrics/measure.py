"""What a benchmark's scored samples add up to: its metrics, as functions of sums over clusters."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vargpt_eval.metrics.bootstrap import ClusterSums, Floats, MetricsOf, Totals
from vargpt_eval.metrics.sample_columns import sample_columns, shares_by, summed_by_cluster
from vargpt_eval.scoring.mmbench import ROTATION_STEP, Rotation, question_hits_guessing
from vargpt_eval.scoring.mme import COGNITION, PERCEPTION
from vargpt_eval.scoring.pope import lenient_yes_no
from vargpt_eval.scoring.task import Kind
from vargpt_schema import EvalSampleRecord

BY = "by category: "  # prefix of the metrics of one category


class Measure(NamedTuple):
    """A benchmark's metrics as functions of sums over clusters."""

    clusters: ClusterSums
    metrics_of: MetricsOf
    num_left_out: int  # scored samples whose pair or question is not whole
    points: frozenset[str] = frozenset()  # metrics that are points; all others are shares of 1
    beside: dict[str, float] = {}  # noqa: RUF012  # values that no interval belongs to

    def values(self) -> dict[str, float]:
        """Metric to its value over all samples; NaN for a share of nothing."""
        found = self.metrics_of(self.clusters.totals())
        return {name: float(value) for name, value in found.items()}

    def clusters_under(self, metric: str) -> int:
        """How many clusters a metric rests on."""
        if not metric.startswith(BY):
            return len(self.clusters.cluster_ids)
        counts = self.clusters.sums[f"{metric.removeprefix(BY)}: n"]
        return int(np.count_nonzero(counts))


def measure(kind: Kind, samples: Sequence[EvalSampleRecord]) -> Measure:
    """Metrics of a benchmark of this kind; samples with errors are left out."""
    return _MEASURES[kind](samples)


def _mean(samples: Sequence[EvalSampleRecord]) -> Measure:
    columns = sample_columns(samples)
    per_sample = {
        "sum": columns.score,
        "n": np.ones(len(columns.score)),
        **shares_by(columns.category, columns.score),
    }
    clusters = summed_by_cluster(columns, per_sample)
    return Measure(clusters, _accuracy_and_shares, num_left_out=0)


def _mmmu(samples: Sequence[EvalSampleRecord]) -> Measure:
    """Questions are drawn within their subject (30 a subject)."""
    columns = sample_columns(samples)
    per_sample = {
        "sum": columns.score,
        "n": np.ones(len(columns.score)),
        **shares_by(columns.category, columns.score),
    }
    clusters = summed_by_cluster(columns, per_sample, strata=columns.category)
    return Measure(clusters, _accuracy_and_shares, num_left_out=0)


def _seed(samples: Sequence[EvalSampleRecord]) -> Measure:
    whole = _mean(samples)

    def metrics_of(totals: Totals) -> dict[str, Floats]:
        found = {"seed_all": share(totals["sum"], totals["n"])}
        for kind in ("image", "video"):
            if f"{kind}: n" in totals:
                found[f"seed_{kind}"] = share(totals[f"{kind}: sum"], totals[f"{kind}: n"])
        return found

    return whole._replace(metrics_of=metrics_of)


def _pope(samples: Sequence[EvalSampleRecord]) -> Measure:
    """As lmms-eval counts: answers that are neither yes nor no leave the recall's denominator."""
    columns = sample_columns(samples)
    said, true = np.array(columns.parsed), np.array(columns.target)
    raw = [sample for sample in samples if sample.score is not None]
    lenient = [sample.parsed is not None and lenient_yes_no(sample.raw_response) for sample in raw]
    per_sample = {
        "right": columns.score,
        "n": np.ones(len(columns.score)),
        "true yes": (said == "yes") & (true == "yes"),
        "false yes": (said == "yes") & (true == "no"),
        "false no": (said == "no") & (true == "yes"),
        "said yes": said == "yes",
        "is yes": true == "yes",
        "neither": (said != "yes") & (said != "no"),
        "lenient": np.array(lenient, object) == true,
    }
    return Measure(summed_by_cluster(columns, per_sample), _pope_metrics, num_left_out=0)


def _pope_metrics(totals: Totals) -> dict[str, Floats]:
    precision = share(totals["true yes"], totals["true yes"] + totals["false yes"], empty=0.0)
    recall = share(totals["true yes"], totals["true yes"] + totals["false no"], empty=0.0)
    n = totals["n"]
    return {
        "accuracy": share(totals["right"], n),
        "precision": precision,
        "recall": recall,
        "f1": share(2 * precision * recall, precision + recall, empty=0.0),
        "predicted_yes": share(totals["said yes"], n),
        "target_yes": share(totals["is yes"], n),  # what lmms-eval calls the yes ratio
        "neither_yes_nor_no": share(totals["neither"], n),
        "lenient_accuracy": share(totals["lenient"], n),
    }


def _mme(samples: Sequence[EvalSampleRecord]) -> Measure:
    """An image gives 100 x its share of right answers, and 100 more when both are right.

    A subtask is the mean over its images, 200 at most; images are drawn within their subtask.
    """
    groups = _groups(samples)
    whole = {name: group for name, group in groups.items() if _is_scored_pair(group)}
    kept = [group[0] for group in whole.values()]
    columns = sample_columns(kept)
    rights = np.array([_sum_of_scores(group) for group in whole.values()])
    image_points = rights / 2 * 100 + np.where(rights == 2, 100.0, 0.0)
    per_image = shares_by(columns.category, image_points)
    clusters = summed_by_cluster(columns, per_image, strata=columns.category)
    points = frozenset(
        ["perception", "cognition", *(f"{BY}{name}" for name in (*PERCEPTION, *COGNITION))]
    )
    num_scored = sum(sample.score is not None for sample in samples)
    return Measure(clusters, _mme_metrics, num_scored - 2 * len(whole), points)


def _mme_metrics(totals: Totals) -> dict[str, Floats]:
    by_subtask = _shares(totals)
    found = {}
    for name, subtasks in (("perception", PERCEPTION), ("cognition", COGNITION)):
        held = [by_subtask[f"{BY}{one}"] for one in subtasks if f"{BY}{one}" in by_subtask]
        if held:
            found[name] = np.sum(held, axis=0)
    return {**found, **by_subtask}


def _mmbench(samples: Sequence[EvalSampleRecord]) -> Measure:
    """A question is one cluster, right when all its rotations are."""
    groups = _groups(samples)
    whole = {name: group for name, group in groups.items() if _is_scored_question(group)}
    rotations = [
        Rotation(int(one.sample_id), one.target, _prefetched(one))
        for group in whole.values()
        for one in group
    ]
    columns = sample_columns([group[0] for group in whole.values()])
    hits = np.array([all(one.score == 1.0 for one in group) for group in whole.values()], float)
    coarse = [name.split(" / ")[0] for name in columns.category]
    per_question = {
        "sum": hits,
        "n": np.ones(len(hits)),
        **shares_by(coarse, hits),
        **shares_by(columns.category, hits),
    }
    guessed = question_hits_guessing(rotations)
    beside = {"accuracy_guessing_seed_2680": sum(guessed.values()) / max(len(guessed), 1)}
    clusters = summed_by_cluster(columns, per_question)
    num_scored = sum(sample.score is not None for sample in samples)
    return Measure(clusters, _accuracy_and_shares, num_scored - len(rotations), frozenset(), beside)


def _prefetched(sample: EvalSampleRecord) -> str | None:
    return None if sample.fallback else sample.parsed or ""


def _is_scored_pair(group: Sequence[EvalSampleRecord]) -> bool:
    return len(group) == 2 and all(sample.score is not None for sample in group)


def _is_scored_question(group: Sequence[EvalSampleRecord]) -> bool:
    has_first = any(int(sample.sample_id) < ROTATION_STEP for sample in group)
    return has_first and all(sample.score is not None for sample in group)


def _groups(samples: Iterable[EvalSampleRecord]) -> dict[str, list[EvalSampleRecord]]:
    groups: dict[str, list[EvalSampleRecord]] = defaultdict(list)
    for sample in samples:
        groups[sample.cluster_id].append(sample)
    return groups


def _sum_of_scores(group: Iterable[EvalSampleRecord]) -> float:
    return sum(sample.score or 0.0 for sample in group)


def share(part: Floats, whole: Floats, *, empty: float = np.nan) -> Floats:
    """part / whole, `empty` where the whole is nothing."""
    is_empty = np.asarray(whole) == 0
    return np.where(is_empty, empty, part / np.where(is_empty, 1.0, whole))


def _shares(totals: Mapping[str, Floats]) -> dict[str, Floats]:
    names = [name.removesuffix(": n") for name in totals if name.endswith(": n")]
    return {f"{BY}{name}": share(totals[f"{name}: sum"], totals[f"{name}: n"]) for name in names}


def _accuracy_and_shares(totals: Totals) -> dict[str, Floats]:
    return {"accuracy": share(totals["sum"], totals["n"]), **_shares(totals)}


_MEASURES: dict[Kind, Callable[[Sequence[EvalSampleRecord]], Measure]] = {
    "mean": _mean,
    "seed": _seed,
    "mmmu": _mmmu,
    "pope": _pope,
    "mme": _mme,
    "mmbench": _mmbench,
}
