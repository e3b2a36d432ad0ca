"""A figure of an ablation less that of the full model, seed by seed."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

Order = Literal["better", "worse", "not resolved"]

# 97.5 % points of Student's t with 1, 2, ... degrees of freedom; beyond these the normal's.
_T_975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
_Z_975 = 1.960
MIN_SEEDS = 3  # for an order: shares of few answers are coarse, and two seeds agree by chance


class Paired(NamedTuple):
    """One figure of an ablation over seeds, in the unit that is printed."""

    values: tuple[float, ...]  # of the ablation, one a seed
    deltas: tuple[float, ...]  # less the full model's of the same seed
    is_better_high: bool

    @property
    def mean(self) -> float:
        return sum(self.values) / len(self.values)

    @property
    def delta(self) -> float:
        return sum(self.deltas) / len(self.deltas)

    @property
    def ci95(self) -> tuple[float, float] | None:
        """Student's t interval of the mean difference over seeds; None of one seed."""
        n = len(self.deltas)
        if n < 2:
            return None
        variance = sum((one - self.delta) ** 2 for one in self.deltas) / (n - 1)
        t = _T_975[n - 2] if n - 2 < len(_T_975) else _Z_975
        reach = t * math.sqrt(variance / n)
        return self.delta - reach, self.delta + reach

    @property
    def order(self) -> Order:
        """Not resolved where the interval has 0 in it, or of fewer than `MIN_SEEDS` seeds."""
        if self.ci95 is None or len(self.deltas) < MIN_SEEDS or self.ci95[0] <= 0 <= self.ci95[1]:
            return "not resolved"
        return "better" if (self.delta > 0) == self.is_better_high else "worse"


def paired(ours: Sequence[float], full: Sequence[float], *, is_better_high: bool) -> Paired:
    """Both in the order of their seeds. ValueError for two lengths."""
    deltas = tuple(one - other for one, other in zip(ours, full, strict=True))
    return Paired(tuple(ours), deltas, is_better_high)
