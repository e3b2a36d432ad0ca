"""Geometry of the report's two plots; the template draws it as SVG. Lengths are SVG units."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vargpt_eval.paper import LLAVA, VARGPT, Column, paper_tables
from vargpt_eval.report.scored_run import ScoredRun
from vargpt_eval.report.tables import Cell, our_cell

SIZE = 460  # of the radar, square
_CENTRE, _RADIUS = SIZE / 2, 158
_CENTRE_FRAC = 0.5  # an axis starts at this share of its best value
_RINGS = (0.25, 0.5, 0.75, 1.0)

WIDTH, ROW_HEIGHT, TOP, LEFT, RIGHT = 520, 26, 26, 96, 14
_MME_MAX = 2_000.0  # points of the perception subtasks


class Point(NamedTuple):
    x: float
    y: float


class Axis(NamedTuple):
    title: str
    end: Point
    label: Point
    anchor: str  # of the label's text


class Outline(NamedTuple):
    name: str
    kind: str  # paper's VARGPT, baseline, or ours
    points: str  # for an SVG polygon
    dots: list[tuple[Point, str]]  # with what the pointer shows


class Radar(NamedTuple):
    axes: list[Axis]
    rings: list[str]
    outlines: list[Outline]


class Mark(NamedTuple):
    x: float
    y: float
    low: float | None  # x of the interval's ends
    high: float | None
    kind: str
    label: str


class IntervalRow(NamedTuple):
    title: str
    y: float
    marks: list[Mark]


class Intervals(NamedTuple):
    height: float
    rows: list[IntervalRow]
    ticks: list[tuple[float, str]]


def radar(runs: Sequence[ScoredRun]) -> Radar:
    """Every benchmark an axis, as the paper's Fig 1 compares models.

    An axis runs from half of its best shown value to that value. Subset runs are left out.
    """
    shown = {VARGPT: ("vargpt", _printed(VARGPT)), LLAVA: ("baseline", _printed(LLAVA))}
    for run in runs:
        values = {column.key: our_cell(run, column) for column in _columns()}
        whole = {key: cell.value for key, cell in values.items() if not cell.is_subset}
        if any(value is not None for value in whole.values()):
            shown[run.name] = ("ours", whole)
    columns = [column for column in _columns() if shown[VARGPT][1][column.key] is not None]
    best = {
        column.key: max(values.get(column.key) or 0.0 for _, values in shown.values())
        for column in columns
    }
    angles = [2 * math.pi * i / len(columns) - math.pi / 2 for i in range(len(columns))]
    axes = [_axis(column, angle) for column, angle in zip(columns, angles, strict=True)]
    rings = [_polygon([_at(angle, ring) for angle in angles]) for ring in _RINGS]
    outlines = [
        _outline(name, kind, values, columns, angles, best)
        for name, (kind, values) in shown.items()
    ]
    return Radar(axes, rings, outlines)


def intervals(runs: Sequence[ScoredRun]) -> Intervals:
    """Ours with their 95 % intervals, over the paper's two numbers; MME as a share of 2,000."""
    columns = [
        column
        for column in _columns()
        if any(our_cell(run, column).value is not None for run in runs)
    ]
    rows = []
    for number, column in enumerate(columns):
        y = TOP + (number + 0.5) * ROW_HEIGHT
        marks = []
        for name, kind in ((LLAVA, "baseline"), (VARGPT, "vargpt")):
            value = _printed(name)[column.key]
            if value is not None:
                marks.append(_mark(column, Cell(value), y, kind, name))
        cells = [(run, our_cell(run, column)) for run in runs]
        held = [(run, cell) for run, cell in cells if cell.value is not None]
        for place, (run, cell) in enumerate(held):
            shift = 7.0 * (place - (len(held) - 1) / 2)
            kind = "subset" if cell.is_subset else "ours"
            marks.append(_mark(column, cell, y + shift, kind, run.name))
        rows.append(IntervalRow(column.title, y, marks))
    ticks = [(_x(percent), f"{percent}") for percent in range(0, 101, 20)]
    return Intervals(TOP + len(rows) * ROW_HEIGHT + 24, rows, ticks)


def _columns() -> list[Column]:
    return [*paper_tables()[1].columns, *paper_tables()[3].columns]


def _printed(row: str) -> dict[str, float | None]:
    return {**paper_tables()[1].row(row).values, **paper_tables()[3].row(row).values}


def _axis(column: Column, angle: float) -> Axis:
    label = _at(angle, 1.12)
    middle = abs(label.x - _CENTRE) < 12
    anchor = "middle" if middle else "start" if label.x > _CENTRE else "end"
    return Axis(column.title, _at(angle, 1.0), label, anchor)


def _outline(
    name: str,
    kind: str,
    values: Mapping[str, float | None],
    columns: Sequence[Column],
    angles: Sequence[float],
    best: Mapping[str, float],
) -> Outline:
    dots = []
    for column, angle in zip(columns, angles, strict=True):
        value = values.get(column.key)
        if value is None:
            continue
        share = value / best[column.key]
        reach = max(0.0, (share - _CENTRE_FRAC) / (1 - _CENTRE_FRAC))
        dots.append((_at(angle, reach), f"{name}: {column.title} {value:,.2f}"))
    # Without a value on every axis there is no closed outline to compare.
    is_whole = len(dots) == len(columns)
    points = _polygon([point for point, _ in dots]) if is_whole else ""
    return Outline(name, kind, points, dots)


def _at(angle: float, share: float) -> Point:
    x = _CENTRE + _RADIUS * share * math.cos(angle)
    y = _CENTRE + _RADIUS * share * math.sin(angle)
    return Point(round(x, 1), round(y, 1))


def _polygon(points: Sequence[Point]) -> str:
    return " ".join(f"{point.x},{point.y}" for point in points)


def _mark(column: Column, cell: Cell, y: float, kind: str, name: str) -> Mark:
    value = cell.value or 0.0
    label = f"{name}: {value:,.2f}"
    low = high = None
    if cell.ci95 is not None:
        low, high = (_x(_percent(column, end)) for end in cell.ci95)
        label += f" ({cell.ci95[0]:,.2f} to {cell.ci95[1]:,.2f})"
    return Mark(_x(_percent(column, value)), round(y, 1), low, high, kind, label)


def _percent(column: Column, value: float) -> float:
    return value if column.is_percent else 100 * value / _MME_MAX


def _x(percent: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * percent / 100, 1)
