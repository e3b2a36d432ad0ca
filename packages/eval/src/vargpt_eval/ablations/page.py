"""ablations.html, .md and .json: rows beside the full model and beside the paper's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_eval.ablations.forest import forest
from vargpt_eval.ablations.rows import FULL, FigureRows, Row, figure_rows
from vargpt_eval.ablations.seed_scores import SeedScores, read_seeds
from vargpt_eval.paper import PaperTable, paper_tables
from vargpt_eval.report.rendering import rendered
from vargpt_eval.run_folder import write_json, write_text
from vargpt_schema import UserError

HTML, MARKDOWN, JSON = "ablations.html", "ablations.md", "ablations.json"


class AblationPage(NamedTuple):
    num_rows: int  # the full model's included
    num_seeds: int
    num_differences: int
    num_resolved: int
    page: Path


def make_ablations(
    table: int, rows: Mapping[str, Sequence[Path]], out: Path, *, notes: Sequence[str] = ()
) -> AblationPage:
    """Write OUT/ablations.html, .md and .json: the same bytes for the same runs.

    `rows` maps names of the paper's table to folders that hold a subfolder a seed;
    what several folders have of a seed is put together. UserError for a
    name that the table lacks, no full model, and rows without the full model's seeds or figures.
    """
    if table not in (4, 5):
        raise UserError(f"--table: {table} found, 4 or 5 expected. Those hold ablations.")
    printed = paper_tables()[table]
    _check_names(printed, rows)
    scores = {name: read_seeds(folders, printed) for name, folders in rows.items()}
    seeds = list(scores[FULL].by_seed)
    for name, own in scores.items():
        if list(own.by_seed) != seeds:
            raise UserError(
                f"{_shown(rows[name])}: seeds {', '.join(own.by_seed)} found, {', '.join(seeds)} "
                f"of {_shown(rows[FULL])} expected. Train and score the same seeds of every row."
            )
    figures = [figure_rows(title, scores, printed) for title in _shared_titles(scores, rows)]
    content = {
        "table": table,
        "columns": [column.title for column in printed.columns],
        "full_printed": [(c.title, printed.row(FULL).values[c.key]) for c in printed.columns],
        "seeds": seeds,
        "figures": [(figure, forest(figure)) for figure in figures],
        "notes": list(notes),
        "absent": [row.name for row in printed.rows if row.name not in rows],
    }
    write_text(out / HTML, rendered("ablations.html.jinja", content))
    write_text(out / MARKDOWN, rendered("ablations.md.jinja", content, escaped=False))
    write_json(out / JSON, _as_json(table, seeds, figures, notes))
    found = [row.found for figure in figures for row in figure.rows]
    num_resolved = sum(one.order != "not resolved" for one in found)
    return AblationPage(len(rows), len(seeds), len(found), num_resolved, out / HTML)


def _shown(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))


def _check_names(printed: PaperTable, rows: Mapping[str, Sequence[Path]]) -> None:
    known = [row.name for row in printed.rows]
    unknown = [name for name in rows if name not in known]
    if unknown:
        raise UserError(
            f"--row: {unknown[0]!r} found, one of Table {printed.number}'s rows expected: "
            f"{'; '.join(known)}."
        )
    if FULL not in rows or len(rows) < 2:
        raise UserError(
            f"--row: {', '.join(rows) or 'no row'} found, {FULL!r} and at least one other row "
            'expected. Add --row "full=DIR".'
        )


def _shared_titles(
    scores: Mapping[str, SeedScores], rows: Mapping[str, Sequence[Path]]
) -> list[str]:
    titles = [
        title
        for title in scores[FULL].titles
        if all(title in own.titles for own in scores.values())
    ]
    if not titles:
        raise UserError(
            f"{'; '.join(map(_shown, rows.values()))}: no figure that all seeds of "
            "all rows have found, at least one expected. Score every model on the same task."
        )
    return titles


def _as_json(
    table: int, seeds: Sequence[str], figures: Sequence[FigureRows], notes: Sequence[str]
) -> dict[str, Any]:
    def row_json(row: Row) -> dict[str, Any]:
        found = row.found
        return {
            "values": list(found.values),
            "differences": list(found.deltas),
            "mean_difference": found.delta,
            "ci95": None if found.ci95 is None else list(found.ci95),
            "order": found.order,
            "paper": {one.column: one._asdict() for one in row.printed},
            "paper_order": row.paper_order,
        }

    return {
        "table": table,
        "seeds": list(seeds),
        "interval": "Student's t over seeds, 95 %",
        "notes": list(notes),
        "figures": {
            figure.title: {
                "full": list(figure.full),
                "rows": {row.name: row_json(row) for row in figure.rows},
            }
            for figure in figures
        },
    }
