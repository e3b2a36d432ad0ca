"""Improved precision and recall (Kynkaanniemi et al. 2019): shares of one set inside the other's.

N images    D features    B images at a time
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.counted import counted
from vargpt_eval.generation.feature_statistics import expect_finite
from vargpt_schema import UserError

Features = NDArray[np.floating]

NEIGHBOURS = 3
_DISTANCES_AT_A_TIME = 10_000_000  # 80 MB
_FEATURES_AT_A_TIME = 4_096


class PrecisionRecall(NamedTuple):
    """Shares of 1."""

    precision: float  # share of drawn images within the real ones' neighbourhoods
    recall: float  # share of real images within the drawn ones'


def precision_recall(
    drawn: Features, real: Features, *, neighbours: int = NEIGHBOURS
) -> PrecisionRecall:
    """Of (N, D) features; a neighbourhood reaches to an image's k-th nearest of its own set.

    UserError for too few images, NaN or infinity.
    """
    for which, features in (("drawn", drawn), ("real", real)):
        expect_finite(features)
        if len(features) <= neighbours:
            raise UserError(
                f"{counted(len(features), f'{which} image')} found, more than {neighbours} "
                "expected for precision and recall. Draw or give more images."
            )
    return PrecisionRecall(_covered(drawn, real, neighbours), _covered(real, drawn, neighbours))


def _covered(points: Features, holders: Features, neighbours: int) -> float:
    """Share of the points that lie within some holder's neighbourhood."""
    reach = _squared_reach(holders, neighbours)  # (N,)
    step = max(1, _DISTANCES_AT_A_TIME // len(holders))
    inside = [
        (_squared_distances(points[start : start + step], holders) <= reach).any(axis=1)
        for start in range(0, len(points), step)
    ]
    return float(np.concatenate(inside).mean())


def _squared_reach(features: Features, neighbours: int) -> Features:
    """(N,) squared distance to the k-th nearest other image."""
    step = max(1, _DISTANCES_AT_A_TIME // len(features))
    found = []
    for start in range(0, len(features), step):
        distances = _squared_distances(features[start : start + step], features)
        found.append(np.partition(distances, neighbours, axis=1)[:, neighbours])  # [0] is itself
    return np.concatenate(found)


def _squared_distances(x: Features, y: Features) -> Features:
    """(B, N) in float64, which the features are turned into a part at a time."""
    left = x.astype(np.float64)
    parts = []
    for start in range(0, len(y), _FEATURES_AT_A_TIME):
        right = y[start : start + _FEATURES_AT_A_TIME].astype(np.float64)
        squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)
        parts.append(squares - 2 * (left @ right.T))
    return np.concatenate(parts, axis=1).clip(min=0.0)
