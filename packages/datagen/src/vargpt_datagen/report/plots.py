"""Geometry of the report's bar plots; the template draws it as SVG. Lengths are SVG units."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vargpt_datagen.report.uniformity import Uniformity

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 22, 36
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
_MAX_BARS = 40


class Bar(NamedTuple):
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
    """One thin bar a pool member, in the order of their names, over the band of equal use."""
    scale = _Scale(max([*counts, even.high if even else 1]))
    width = _PLOT_WIDTH / max(len(counts), 1)
    bars = [
        Bar(
            LEFT + place * width,
            scale.y(count),
            width * 0.8,
            scale.height(count),
            f"{name}: {count:,} rows",
        )
        for place, (count, name) in enumerate(zip(counts, names, strict=True))
    ]
    middles = {1, *range(20, len(counts) + 1, 20)} if len(counts) > 20 else {1, len(counts)}
    ticks = [Tick(LEFT + (place - 0.6) * width, f"{place}") for place in sorted(middles)]
    band = None
    if even:
        top, bottom = scale.y(even.high), scale.y(even.low)
        band = Band(top, bottom - top, scale.y(even.expected))
    return Plot(title, "member of the pool, by id", "rows", bars, ticks, scale.ticks(), band)


class _Scale:
    """The y axis: from 0 to a round number above the highest bar."""

    def __init__(self, highest: float) -> None:
        self._ticks = _round_ticks(0, highest, most=4, reach_end=True)
        self._top = self._ticks[-1][0]

    def height(self, value: float) -> float:
        return _PLOT_HEIGHT * value / self._top

    def y(self, value: float) -> float:
        return TOP + _PLOT_HEIGHT - self.height(value)

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
    scale = _Scale(max(int(counts.max()), 1))

    def x(value: float) -> float:
        return LEFT + _PLOT_WIDTH * (value - first) / (last - first)

    bars = [
        Bar(
            x(start) + 0.5,
            scale.y(count),
            x(end) - x(start) - 1,
            scale.height(count),
            f"{label}: {count:,} rows",
        )
        for start, end, count, label in zip(
            edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), labels, strict=True
        )
    ]
    ticks = [Tick(x(value + centre), label) for value, label in x_ticks if value <= last]
    return Plot(title, x_label, "rows", bars, ticks, scale.ticks(), None)


def _round_ticks(
    low: float, high: float, *, most: int, reach_end: bool = False
) -> list[tuple[float, str]]:
    """At most `most` + 1 round whole numbers from `low` up to `high`, or just beyond it."""
    span = max(high - low, 1)
    power = 10 ** max(math.floor(math.log10(span / most)), 0)
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most)
    first = math.ceil(low / step) * step
    end = math.ceil(high / step) * step if reach_end else math.floor(high / step) * step
    return [(float(value), f"{value:,}") for value in range(first, end + 1, step)]
