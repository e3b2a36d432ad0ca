"""Whether the members of a pool were used equally often."""

import math
from collections.abc import Sequence
from typing import NamedTuple

_Z_95 = 1.959963984540054  # two-sided 95 % point of the normal distribution


class Uniformity(NamedTuple):
    """What equal use would look like, and how likely use as uneven as this would be under it."""

    expected: float  # rows a member
    low: float  # 95 % of the members lie in low to high
    high: float
    p_value: float


def uniformity(counts: Sequence[int], rows: int, draws: int = 1) -> Uniformity | None:
    """Compare counts with `draws` different members drawn for each of `rows` rows.

    Pearson's chi-square, scaled for draws without replacement. None where a member expects fewer
    than five rows: the approximation does not hold there.
    """
    size = len(counts)
    if size <= draws or rows * draws / size < 5:
        return None
    expected = rows * draws / size
    spread = math.sqrt(expected * (1 - draws / size))
    statistic = sum((count - expected) ** 2 for count in counts) / expected
    statistic *= (size - 1) / (size - draws)
    return Uniformity(
        expected=expected,
        low=max(expected - _Z_95 * spread, 0.0),
        high=expected + _Z_95 * spread,
        p_value=chi_square_tail(statistic, size - 1),
    )


def chi_square_tail(statistic: float, degrees: int) -> float:
    """Probability that a chi-square variable exceeds `statistic`.

    The regularised upper incomplete gamma function Q(degrees/2, statistic/2), by its series below
    the mean and by Lentz's continued fraction above (Abramowitz and Stegun 6.5.29 and 6.5.31).
    """
    shape, at = degrees / 2, statistic / 2
    if at <= 0:
        return 1.0
    scale = math.exp(shape * math.log(at) - at - math.lgamma(shape))
    if at < shape + 1:
        return 1.0 - min(scale * _lower_series(shape, at), 1.0)
    return scale * _upper_fraction(shape, at)


def _lower_series(shape: float, at: float) -> float:
    term = total = 1 / shape
    divisor = shape
    while term > total * 1e-15:
        divisor += 1
        term *= at / divisor
        total += term
    return total


def _upper_fraction(shape: float, at: float) -> float:
    tiny = 1e-300
    b = at + 1 - shape
    c, d = 1 / tiny, 1 / b
    value = d
    for step in range(1, 10_000):
        a = step * (shape - step)
        b += 2
        d = 1 / (a * d + b or tiny)
        c = b + a / c or tiny
        value *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return value
