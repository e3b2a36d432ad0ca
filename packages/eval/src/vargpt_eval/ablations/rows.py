"""Rows of an ablation, figure by figure, with what the paper prints of them."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from vargpt_eval.ablations.paired import Paired, paired
from vargpt_eval.ablations.seed_scores import SeedScores
from vargpt_eval.paper import PaperTable

FULL = "full"
PaperOrder = Literal["better", "worse", "mixed"]


class PrintedValue(NamedTuple):
    """Of the paper: one column of a row, and how far from its full model's."""

    column: str
    value: float
    delta: float


class Row(NamedTuple):
    """One row of the paper's table: what it prints, and one figure of ours over seeds."""

    name: str
    printed: list[PrintedValue]
    paper_order: PaperOrder
    found: Paired

    @property
    def agreement(self) -> str:
        """Whether our order of the row and the full model is the paper's."""
        if self.found.order == "not resolved":
            return "order not resolved"
        if self.paper_order == "mixed":
            return f"{self.found.order}; the paper's columns differ"
        is_same = self.found.order == self.paper_order
        return f"{self.found.order}, {'as' if is_same else 'unlike'} the paper"


class FigureRows(NamedTuple):
    """One figure over all rows."""

    title: str
    num_decimals: int
    full: tuple[float, ...]  # one a seed
    rows: list[Row]

    @property
    def full_mean(self) -> float:
        return sum(self.full) / len(self.full)


def figure_rows(title: str, scores: Mapping[str, SeedScores], printed: PaperTable) -> FigureRows:
    """A figure that all seeds of all rows have; rows in the paper's order."""
    full = [figures[title] for figures in scores[FULL].by_seed.values()]
    rows = []
    for row in printed.rows:
        if row.name == FULL or row.name not in scores:
            continue
        values = _printed_values(printed, row.name)
        ours = [figures[title].value for figures in scores[row.name].by_seed.values()]
        found = paired(ours, [one.value for one in full], is_better_high=full[0].is_better_high)
        rows.append(Row(row.name, values, _paper_order(printed, values), found))
    return FigureRows(title, full[0].num_decimals, tuple(one.value for one in full), rows)


def _printed_values(printed: PaperTable, name: str) -> list[PrintedValue]:
    found = []
    for column in printed.columns:
        value, full = (printed.row(row).values[column.key] for row in (name, FULL))
        if value is not None and full is not None:
            found.append(PrintedValue(column.title, value, round(value - full, 4)))
    return found


def _paper_order(printed: PaperTable, values: Sequence[PrintedValue]) -> PaperOrder:
    is_better_high = {column.title: column.is_better_high for column in printed.columns}
    signs = {(one.delta > 0) == is_better_high[one.column] for one in values if one.delta}
    return "mixed" if len(signs) != 1 else "better" if signs.pop() else "worse"
