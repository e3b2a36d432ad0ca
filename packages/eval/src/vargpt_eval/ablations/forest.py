"""Geometry of a forest plot of differences; the template draws it. Lengths are SVG units."""

import math
from collections.abc import Callable
from typing import NamedTuple

from vargpt_eval.ablations.rows import FigureRows

WIDTH, LEFT, RIGHT, TOP, ROW_HEIGHT, FOOT = 640, 220, 16, 10, 30, 26
_STEPS = (1, 2, 5, 10)  # of a power of ten, between ticks
_NUM_TICKS = 5


class ForestRow(NamedTuple):
    name: str
    y: float
    is_resolved: bool
    delta: float  # x of the mean difference
    low: float | None  # x of the interval's ends, inside the plot
    high: float | None
    seeds: list[float]  # x of each seed's difference
    label: str


class Forest(NamedTuple):
    width: int
    height: int
    left: int
    top: int
    zero: float  # x of no difference
    rows: list[ForestRow]
    ticks: list[tuple[float, str]]


def forest(figure: FigureRows) -> Forest:
    """Differences by seed, their mean and interval, on an axis with 0 in its middle."""
    bounds = [abs(end) for row in figure.rows for end in row.found.ci95 or ()]
    reach = max([abs(one) for row in figure.rows for one in row.found.deltas] + bounds)
    reach = reach if reach > 1e-9 else 1.0  # no row differs
    step = _tick_step(reach)
    most = step * math.ceil(reach / step - 1e-9)

    def x(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (value + most) / (2 * most), 1)

    rows = []
    for number, row in enumerate(figure.rows):
        found = row.found
        ends = None if found.ci95 is None else [x(end) for end in found.ci95]
        between = "" if found.ci95 is None else f" ({found.ci95[0]:+.2f} to {found.ci95[1]:+.2f})"
        rows.append(
            ForestRow(
                row.name,
                TOP + (number + 0.5) * ROW_HEIGHT,
                found.order != "not resolved",
                x(found.delta),
                None if ends is None else ends[0],
                None if ends is None else ends[1],
                [x(one) for one in found.deltas],
                f"{row.name}: {found.delta:+.2f}{between}",
            )
        )
    return Forest(
        WIDTH, TOP + len(rows) * ROW_HEIGHT + FOOT, LEFT, TOP, x(0.0), rows, _ticks(most, step, x)
    )


def _tick_step(reach: float) -> float:
    power = 10.0 ** math.floor(math.log10(2 * reach / _NUM_TICKS))
    return next(power * one for one in _STEPS if power * one * _NUM_TICKS >= 2 * reach - 1e-12)


def _ticks(most: float, step: float, x: Callable[[float], float]) -> list[tuple[float, str]]:
    count = round(most / step)
    return [(x(step * i), f"{step * i:+.3g}" if i else "0") for i in range(-count, count + 1)]
