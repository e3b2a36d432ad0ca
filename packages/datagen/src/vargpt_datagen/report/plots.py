"""Geometry of the report's bar plots; the template draws it as SVG. Lengths are SVG units."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vargpt_datagen.report.uniformity import Uniformity

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 48, 18, 22, 36
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
_MAX_BARS = 40
_DOT = 3.6


class Bar(NamedTuple):
    """A bar, or a dot as a small square one."""

    x: float
    y: float
    width: float
    height: float
    label: str  # shown when the pointer rests on it


class Tick(NamedTuple):
    at: float  # x or y
    label: str


class Band(NamedTuple):
    """Where 95 % of the bars would end under equal use."""

    y: float
    height: float
    middle: float


class Plot(NamedTuple):
    title: str
    x_label: str
    y_label: str
    bars: list[Bar]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    band: Band | None
    corner: float  # radius of the bars' corners


def length_plot(title: str, lengths: np.ndarray) -> Plot:
    """Rows by number of words."""
    low, high = int(lengths.min()), int(lengths.max())
    step = math.ceil((high - low + 1) / _MAX_BARS)
    edges = np.arange(low, high + step + 1, step)
    counts = np.histogram(lengths, edges)[0]
    labels = [
        (f"{start}" if step == 1 else f"{start} to {start + step - 1}") + " words"
        for start in edges[:-1].tolist()
    ]
    return _histogram(
        title, "words", counts, edges, labels, _round_ticks(low, high, most=8), centre=step / 2
    )


def share_plot(title: str, shares: np.ndarray) -> Plot:
    """Rows by a share from 0 to 1, in ten bins; a share of 1 is in the last."""
    edges = np.linspace(0, 1, 11)
    counts = np.histogram(shares, edges)[0]
    labels = [f"{low:.0%} to {low + 0.1:.0%}" for low in edges[:-1].tolist()]
    ticks = [(share, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _histogram(title, "share of the caption's words", counts, edges, labels, ticks)


def use_plot(
    title: str, counts: Sequence[int], names: Sequence[str], even: Uniformity | None
) -> Plot:
    """One dot a pool member, in the order of their names, over the band of equal use."""
    shown = [*counts, *((even.low, even.high) if even else ())]
    scale = _Scale(min(shown), max(shown))
    step = _PLOT_WIDTH / len(counts)
    dots = [
        Bar(
            LEFT + (place + 0.5) * step - _DOT / 2,
            scale.y(count) - _DOT / 2,
            _DOT,
            _DOT,
            f"{name}: {count:,} rows",
        )
        for place, (count, name) in enumerate(zip(counts, names, strict=True))
    ]
    places = {1, *range(20, len(counts) + 1, 20)} if len(counts) > 20 else {1, len(counts)}
    ticks = [Tick(LEFT + (place - 0.5) * step, f"{place}") for place in sorted(places)]
    band = None
    if even:
        top, bottom = scale.y(even.high), scale.y(even.low)
        band = Band(top, bottom - top, scale.y(even.expected))
    return Plot(
        title, "member of the pool, by id", "rows", dots, ticks, scale.ticks(), band, _DOT / 2
    )


class _Scale:
    """The y axis between two round numbers around the values."""

    def __init__(self, lowest: float, highest: float) -> None:
        self._ticks = _round_ticks(lowest, highest, most=4, reach_ends=True)
        self._bottom, self._top = self._ticks[0][0], self._ticks[-1][0]

    def y(self, value: float) -> float:
        share = (value - self._bottom) / (self._top - self._bottom)
        return TOP + _PLOT_HEIGHT * (1 - share)

    def ticks(self) -> list[Tick]:
        return [Tick(self.y(value), label) for value, label in self._ticks]


def _histogram(
    title: str,
    x_label: str,
    counts: np.ndarray,
    edges: np.ndarray,
    labels: Sequence[str],
    x_ticks: Sequence[tuple[float, str]],
    centre: float = 0.0,
) -> Plot:
    first, last = float(edges[0]), float(edges[-1])
    scale = _Scale(0, max(int(counts.max()), 1))

    def x(value: float) -> float:
        return LEFT + _PLOT_WIDTH * (value - first) / (last - first)

    bars = [
        Bar(
            x(start) + 0.5,
            scale.y(count),
            x(end) - x(start) - 1,
            scale.y(0) - scale.y(count),
            f"{label}: {count:,} rows",
        )
        for start, end, count, label in zip(
            edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), labels, strict=True
        )
    ]
    ticks = [Tick(x(value + centre), label) for value, label in x_ticks if value <= last]
    return Plot(title, x_label, "rows", bars, ticks, scale.ticks(), None, 0.0)


def _round_ticks(
    low: float, high: float, *, most: int, reach_ends: bool = False
) -> list[tuple[float, str]]:
    """About `most` round whole numbers within `low` to `high`, or reaching just beyond both."""
    span = max(high - low, 1)
    power = 10 ** max(math.floor(math.log10(span / most)), 0)
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most)
    down, up = (math.floor, math.ceil) if reach_ends else (math.ceil, math.floor)
    first, end = down(low / step) * step, up(high / step) * step
    if reach_ends and end == first:
        end += step
    return [(float(value), f"{value:,}") for value in range(first, end + 1, step)]
