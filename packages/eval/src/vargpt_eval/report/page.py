"""`vargpt-eval report`: report.html, report.md and report.json of scored runs."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from vargpt_eval.paper import LLAVA, VARGPT
from vargpt_eval.report import plots
from vargpt_eval.report.examples import browsed
from vargpt_eval.report.paper_gains import paper_gains
from vargpt_eval.report.scored_run import ScoredRun, read_runs
from vargpt_eval.report.tables import Cell, report_tables
from vargpt_eval.run_folder import write_json, write_text

HTML, MARKDOWN, JSON = "report.html", "report.md", "report.json"


class Report(NamedTuple):
    num_runs: int
    num_scores: int  # benchmarks scored, over all runs
    page: Path


def make_report(runs: Sequence[Path], out: Path) -> Report:
    """Write OUT/report.html, .md and .json: the same bytes for the same runs.

    UserError for folders that hold no scored run.
    """
    scored = read_runs(runs)
    content = _content(scored)
    write_text(out / HTML, _rendered("report.html.jinja", content))
    write_text(out / MARKDOWN, _rendered("report.md.jinja", content, escaped=False))
    write_json(out / JSON, _as_json(content))
    return Report(len(scored), sum(len(run.summary) for run in scored), out / HTML)


def _content(runs: list[ScoredRun]) -> dict[str, Any]:
    return {
        "runs": runs,
        "tables": report_tables(runs),
        "gains": paper_gains(),
        "examples": browsed(runs),
        "radar": plots.radar(runs),
        "intervals": plots.intervals(runs),
        "subsets": [
            (run.name, run.summary[task])
            for run in runs
            for task in run.tasks
            if run.is_subset(task)
        ],
        "unread": [
            (run.name, run.summary[task])
            for run in runs
            for task in run.tasks
            if any(run.summary[task][name] for name in ("n_error", "n_truncated", "n_fallback"))
        ],
        "worlds": [(run.name, run.summary["world"]) for run in runs if "world" in run.summary],
        "plots": plots,
        "vargpt": VARGPT,
        "llava": LLAVA,
    }


def _rendered(template: str, content: dict[str, Any], *, escaped: bool = True) -> str:
    css = (files("vargpt_eval") / "templates" / "report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("vargpt_eval"),
        undefined=StrictUndefined,
        autoescape=escaped,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible if escaped else _on_one_markdown_line,
    )
    environment.filters["cell"] = _cell_text
    environment.filters["signed"] = lambda value: f"{value:+,.2f}"
    environment.filters["figure"] = _figure_text
    return environment.get_template(template).render(css=css, css_sha256=digest, **content)


def _visible(value: Any) -> Any:
    """Control and format characters of plain texts as escapes, so that none hides or reorders."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "".join(
        mark if mark.isprintable() or mark == "\n" else mark.encode("unicode_escape").decode()
        for mark in value
    )


def _on_one_markdown_line(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = _visible(value).replace("\n", " ")
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")


def _cell_text(cell: Cell) -> str:
    """The paper's as it prints them, ours to two places; points to one."""
    if cell.value is None:
        return "-"
    if abs(cell.value) >= 1_000:
        return f"{cell.value:,.1f}"
    text = f"{cell.value:,.2f}"
    return text if cell.ci95 is not None else text.removesuffix("0")


def _figure_text(figure: dict[str, Any]) -> str:
    """A metric of a summary in percent or points, with its interval."""
    value, interval = figure["value"], figure.get("ci95")
    if value is None:
        return "-"
    scale = 1.0 if figure.get("unit") == "points" else 100.0
    text = f"{scale * value:,.2f}"
    if interval is not None:
        text += f" ({scale * interval[0]:,.2f} to {scale * interval[1]:,.2f})"
    return text


def _as_json(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "runs": {run.name: {"run": run.run, "summary": run.summary} for run in content["runs"]},
        "tables": {
            str(table.number): {
                "title": table.title,
                "columns": [column.title for column in table.columns],
                "rows": [
                    {
                        "name": row.name,
                        "is_ours": row.is_ours,
                        "values": [cell.value for cell in row.cells],
                        "ci95": [cell.ci95 for cell in row.cells],
                        "is_subset": [cell.is_subset for cell in row.cells],
                    }
                    for row in table.rows
                ],
                "differences": [
                    {
                        **{
                            name: getattr(one, name)
                            for name in ("run", "reference", "printed", "n")
                        },
                        "column": one.column.title,
                        "value": one.ours.value,
                        "delta": one.delta,
                        "ci95": one.ci95,
                        "is_within_noise": one.is_within_noise,
                    }
                    for one in table.differences
                ],
            }
            for table in content["tables"]
        },
        "paper_gains": [
            {
                **{name: getattr(gain, name) for name in ("baseline", "vargpt", "gain")},
                "column": gain.column.title,
                "num_questions": gain.num_questions,
                "run_half_width": gain.run_half_width,
                "gain_half_width": gain.gain_half_width,
                "is_within_noise": gain.is_within_noise,
            }
            for gain in content["gains"]
        ],
    }
