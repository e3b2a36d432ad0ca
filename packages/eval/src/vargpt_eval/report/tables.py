"""The paper's tables with a row for each of our runs, and the differences between them."""

from collections.abc import Sequence
from typing import NamedTuple

from vargpt_eval.paper import (
    LLAVA,
    VARGPT,
    Column,
    PaperTable,
    as_printed,
    paper_tables,
)
from vargpt_eval.report.scored_run import ScoredRun

_TITLES = {
    1: "Zero-shot multi-modal benchmarks",
    3: "Visual question answering",
    4: "Image generation: training stages",
    5: "Understanding: training and data",
}
_REFERENCE_ROWS = {1: (VARGPT, LLAVA), 3: (VARGPT, LLAVA), 4: ("full",), 5: ("full",)}


class Cell(NamedTuple):
    """In the unit that the paper prints."""

    value: float | None
    ci95: tuple[float, float] | None = None
    is_subset: bool = False
    is_best: bool = False  # of the paper's rows


class TableRow(NamedTuple):
    name: str
    is_ours: bool
    llm: str | None
    generates: bool | None
    cells: list[Cell]


class Difference(NamedTuple):
    """One of our figures less the paper's."""

    run: str
    column: Column
    ours: Cell
    reference: str  # row of the paper's table
    printed: float
    delta: float
    ci95: tuple[float, float] | None
    n: int

    @property
    def is_within_noise(self) -> bool | None:
        """Whether the interval holds no difference at all; None without an interval."""
        return None if self.ci95 is None else self.ci95[0] <= 0 <= self.ci95[1]


class ReportTable(NamedTuple):
    number: int
    title: str
    columns: list[Column]
    has_models: bool  # names the language model and whether the row draws
    rows: list[TableRow]
    differences: list[Difference]


def report_tables(runs: Sequence[ScoredRun]) -> list[ReportTable]:
    """Tables 1, 3, 4 and 5, every row of the paper and one a run that has a figure for it."""
    return [_table(table, runs) for table in paper_tables().values()]


def our_cell(run: ScoredRun, column: Column) -> Cell:
    """A run's figure for a column; empty where it has none."""
    figure = run.figure(column.task, column.metric)
    if figure is None or figure["value"] is None:
        return Cell(None)
    interval = figure.get("ci95")
    ends = None
    if interval is not None:
        ends = (as_printed(column, interval[0]), as_printed(column, interval[1]))
    return Cell(as_printed(column, figure["value"]), ends, run.is_subset(column.task))


def _table(table: PaperTable, runs: Sequence[ScoredRun]) -> ReportTable:
    best = {column.key: _best(table, column) for column in table.columns}
    rows = [
        TableRow(
            row.name,
            is_ours=False,
            llm=row.llm,
            generates=row.generates,
            cells=[
                Cell(value, is_best=value is not None and value == best[column.key])
                for column in table.columns
                for value in [row.values[column.key]]
            ],
        )
        for row in table.rows
    ]
    for run in runs:
        cells = [our_cell(run, column) for column in table.columns]
        if any(cell.value is not None for cell in cells):
            rows.append(TableRow(run.name, is_ours=True, llm=None, generates=None, cells=cells))
    return ReportTable(
        table.number,
        _TITLES[table.number],
        table.columns,
        any(row.llm for row in table.rows),
        rows,
        _differences(table, runs),
    )


def _best(table: PaperTable, column: Column) -> float | None:
    values = [row.values[column.key] for row in table.rows]
    held = [value for value in values if value is not None]
    return (max if column.is_better_high else min)(held, default=None)


def _differences(table: PaperTable, runs: Sequence[ScoredRun]) -> list[Difference]:
    """Whole runs only: a subset's questions are not the paper's."""
    found = []
    for run in runs:
        for column in table.columns:
            ours = our_cell(run, column)
            if ours.value is None or ours.is_subset:
                continue
            for reference in _REFERENCE_ROWS[table.number]:
                printed = table.row(reference).values[column.key]
                if printed is None:
                    continue
                shifted = ours.ci95 and (ours.ci95[0] - printed, ours.ci95[1] - printed)
                n = run.summary[column.task].get("n", 0)
                found.append(
                    Difference(
                        *(run.name, column, ours, reference, printed),
                        *(ours.value - printed, shifted or None, n),
                    )
                )
    return found
