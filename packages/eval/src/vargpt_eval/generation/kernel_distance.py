"""Kernel distance (Binkowski et al. 2018, KID): unbiased MMD^2 under (x y / D + 1)^3, on subsets.

N images    D features    S images of a subset
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.generation.feature_statistics import expect_finite
from vargpt_schema import UserError

Features = NDArray[np.floating]


class KernelDistance(NamedTuple):
    """Squared MMD, not multiplied by anything."""

    mean: float  # over the subsets
    std: float


def kernel_distance(
    drawn: Features,
    real: Features,
    *,
    num_subsets: int = 100,
    subset_size: int = 1_000,
    seed: int = 2020,
) -> KernelDistance:
    """Of (N, D) features. Subsets and defaults are torch-fidelity's, so equal seeds agree.

    UserError for fewer images than a subset, NaN or infinity.
    """
    expect_finite(drawn)
    expect_finite(real)
    fewest = min(len(drawn), len(real))
    if fewest < subset_size:
        raise UserError(
            f"{fewest:,} images found, at least {subset_size:,} expected for a subset of the "
            "kernel distance. Draw more images, or choose smaller subsets."
        )
    generator = np.random.RandomState(seed)
    distances = []
    for _ in range(num_subsets):
        x = drawn[generator.choice(len(drawn), subset_size, replace=False)]
        y = real[generator.choice(len(real), subset_size, replace=False)]
        distances.append(squared_mmd(x.astype(np.float64), y.astype(np.float64)))
    return KernelDistance(float(np.mean(distances)), float(np.std(distances)))


def squared_mmd(x: Features, y: Features) -> float:
    """Unbiased estimate from (S, D) and (S, D); may be negative."""
    size = len(x)
    within_x, within_y = _kernel(x, x), _kernel(y, y)  # (S, S)
    within = within_x.sum() - within_x.trace() + within_y.sum() - within_y.trace()
    return float(within / (size * (size - 1)) - 2 * _kernel(x, y).mean())


def _kernel(x: Features, y: Features) -> Features:
    return (x @ y.T / x.shape[1] + 1) ** 3
