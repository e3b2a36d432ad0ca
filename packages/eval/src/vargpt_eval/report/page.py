"""`vargpt-eval report`: report.html, report.md and report.json of scored runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_eval.paper import LLAVA, VARGPT
from vargpt_eval.report import plots
from vargpt_eval.report.drawings import drawing_rows
from vargpt_eval.report.drawn_examples import read_drawn_examples
from vargpt_eval.report.examples import browsed
from vargpt_eval.report.paper_gains import paper_gains
from vargpt_eval.report.rendering import rendered
from vargpt_eval.report.scored_run import ScoredRun, read_runs
from vargpt_eval.report.tables import report_tables
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
    write_text(out / HTML, rendered("report.html.jinja", content))
    write_text(out / MARKDOWN, rendered("report.md.jinja", content, escaped=False))
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
        "world_questions": [
            (run.name, run.summary["world_questions"])
            for run in runs
            if "world_questions" in run.summary
        ],
        "drawings": drawing_rows(runs),
        "drawn": [
            (run.name, found) for run in runs if (found := read_drawn_examples(run.folder.path))
        ],
        "plots": plots,
        "vargpt": VARGPT,
        "llava": LLAVA,
    }


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
