"""Scored samples as arrays, summed by cluster."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.metrics.bootstrap import ClusterSums, Floats
from vargpt_schema import EvalSampleRecord


class SampleColumns(NamedTuple):
    """(N,) columns of the samples that have a score."""

    score: Floats
    cluster: NDArray[np.intp]  # number of each sample's cluster
    cluster_ids: list[str]
    category: list[str]  # empty where there is none
    parsed: list[str]
    target: list[str]


def sample_columns(samples: Sequence[EvalSampleRecord]) -> SampleColumns:
    """Samples without a score (errors) are left out."""
    kept = [sample for sample in samples if sample.score is not None]
    numbers: dict[str, int] = {}
    cluster = [numbers.setdefault(sample.cluster_id, len(numbers)) for sample in kept]
    return SampleColumns(
        np.array([sample.score for sample in kept], np.float64),
        np.array(cluster, np.intp),
        list(numbers),
        [sample.category or "" for sample in kept],
        [sample.parsed or "" for sample in kept],
        [sample.target for sample in kept],
    )


def summed_by_cluster(
    columns: SampleColumns, per_sample: Mapping[str, NDArray], strata: Sequence[str] | None = None
) -> ClusterSums:
    """`strata` names each sample's stratum; samples of one cluster share it."""
    num_clusters = len(columns.cluster_ids)
    sums = {
        name: np.bincount(columns.cluster, values.astype(np.float64), num_clusters).astype(
            np.float64
        )
        for name, values in per_sample.items()
    }
    stratum_of = np.zeros(num_clusters, np.intp)
    if strata is not None:
        numbers = {name: i for i, name in enumerate(dict.fromkeys(strata))}
        stratum_of[columns.cluster] = [numbers[name] for name in strata]
    return ClusterSums(columns.cluster_ids, sums, stratum_of)


def shares_by(names: Sequence[str], hits: NDArray) -> dict[str, NDArray]:
    """For each name two columns: `name: sum` of the hits and `name: n` of the samples under it."""
    held = np.array(names)
    found = {}
    for name in sorted(set(names) - {""}):
        is_in = held == name
        found[f"{name}: sum"] = np.where(is_in, hits, 0.0)
        found[f"{name}: n"] = is_in
    return found
