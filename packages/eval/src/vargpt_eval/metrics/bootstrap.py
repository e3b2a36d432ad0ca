"""Clustered percentile bootstrap: answers about one image are drawn together or not at all.

C clusters    K summed columns    B draws    M metrics
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Totals = Mapping[str, Floats]  # column to (B,) totals, or to scalars for the data as they are
MetricsOf = Callable[[Totals], Mapping[str, Floats]]

NUM_DRAWS = 2_000
SEED = 0
_PERCENTILES = (2.5, 97.5)
_COUNTS_PER_CHUNK = 8_000_000  # 64 MB of float64


class ClusterSums(NamedTuple):
    """Sums over each cluster's answers; a metric is a function of their totals."""

    cluster_ids: list[str]
    sums: dict[str, Floats]  # column to (C,)
    strata: NDArray[np.intp]  # (C,) number of each cluster's stratum; drawn within it

    def totals(self) -> dict[str, Floats]:
        """Column to its scalar total over all clusters."""
        return {name: column.sum() for name, column in self.sums.items()}


class Interval(NamedTuple):
    """Spread of a metric over the draws; None where fewer than two clusters bear on it."""

    ci95: tuple[float, float] | None
    se: float | None


def bootstrap_draws(
    clusters: ClusterSums, metrics_of: MetricsOf, *, num_draws: int = NUM_DRAWS, seed: int = SEED
) -> dict[str, Floats]:
    """(B,) values of every metric, clusters drawn with replacement within their stratum."""
    names = list(clusters.sums)
    matrix = np.stack([clusters.sums[name] for name in names], axis=1)  # (C, K)
    generator = np.random.default_rng(seed)
    strata = [np.flatnonzero(clusters.strata == one) for one in np.unique(clusters.strata)]
    totals = np.zeros((num_draws, len(names)))  # (B, K)
    step = max(1, _COUNTS_PER_CHUNK // len(matrix))
    for start in range(0, num_draws, step):
        end = min(start + step, num_draws)
        for members in strata:
            size = len(members)
            picks = generator.integers(size, size=(end - start, size), dtype=np.int32)
            counts = np.stack([np.bincount(row, minlength=size) for row in picks])
            totals[start:end] += counts.astype(np.float64) @ matrix[members]
    return dict(metrics_of({name: totals[:, i] for i, name in enumerate(names)}))


def interval_of(draws: Floats, num_clusters: int) -> Interval:
    """95 % percentile interval and standard error of one metric's draws."""
    kept = draws[np.isfinite(draws)]  # a draw may miss a rare category altogether
    if num_clusters < 2 or len(kept) < 2:
        return Interval(None, None)
    low, high = np.percentile(kept, _PERCENTILES)
    return Interval((float(low), float(high)), float(kept.std(ddof=1)))
