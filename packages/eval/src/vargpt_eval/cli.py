"""The `vargpt-eval` command. Heavy imports wait until a command runs, so `--help` stays quick."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vargpt_eval.cli_ablations import ablations
from vargpt_eval.cli_beside import beside
from vargpt_eval.cli_doctor import doctor
from vargpt_eval.cli_gen_metrics import gen_metrics
from vargpt_eval.cli_run import run
from vargpt_eval.cli_stats import stats
from vargpt_eval.config_file import ConfigFile
from vargpt_eval.counted import counted
from vargpt_eval.progress_lines import lines_on_stderr
from vargpt_schema.errors import UserError, refused_path

if TYPE_CHECKING:
    from vargpt_eval.compare import TaskComparison

_GEN = "--generations ./drawn --ref ./images --out ./run"
_ABLATIONS = '--table 4 --row "full=./full" --row "w/o stage 3=./no-3" --out ./page'
_RUN = "--model ./tiny --tasks world_questions --data ./images --out ./run"
_INTERRUPTED = 130  # exit code that typer turns Ctrl-C into

app = typer.Typer(
    help="Scores VARGPT models. Every command resumes when run again.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(stats, name="stats")
app.command(epilog=f"Example: vargpt-eval ablations {_ABLATIONS}")(ablations)
app.command(epilog=f"Example: vargpt-eval run {_RUN}")(run)
app.command(epilog="Example: vargpt-eval doctor --data ./data --weights ./weights")(doctor)
app.command(epilog="Example: vargpt-eval beside ./run ./baseline --out ./page")(beside)
app.command("gen-metrics", epilog=f"Example: vargpt-eval gen-metrics {_GEN}")(gen_metrics)


@app.callback()
def _commands() -> None:
    """Scores VARGPT models. Every command resumes when run again."""


@app.command(epilog="Example: vargpt-eval world --generations ./drawn --prompts ./eval --out ./run")
def world(
    generations: Annotated[
        Path, typer.Option(help="`generations` Parquet file or folder, beside its pictures.")
    ],
    prompts: Annotated[Path, typer.Option(help="`eval_prompts` Parquet file or folder.")],
    out: Annotated[Path, typer.Option(help="Run folder for samples and summary.json.")],
    config: ConfigFile = None,
) -> None:
    """Score drawings of the sample world exactly: does each show what its prompt names?"""
    from vargpt_eval.world import score_world

    score = score_world(generations, prompts, out, lines_on_stderr("world"))
    typer.echo(
        f"{score.num_right:,} of {counted(score.num_drawings, 'drawing')} right, "
        f"{score.num_unreadable:,} unreadable, {score.num_missing:,} missing -> {score.summary}"
    )


@app.command(epilog="Example: vargpt-eval score ./mmmu.jsonl --task mmmu_val --out ./run")
def score(
    answers: Annotated[
        Path, typer.Argument(help="`answers` Parquet file or folder, or .jsonl with items in it.")
    ],
    task: Annotated[str, typer.Option(help="Benchmark, by its lmms-eval name.")],
    out: Annotated[Path, typer.Option(help="Run folder; one model and profile each.")],
    profile: Annotated[
        str, typer.Option(help="Whose reading: vargpt-0.3.0 or lmms-eval-0.7.3.")
    ] = "vargpt-0.3.0",
    items: Annotated[
        Path | None, typer.Option(help="Items of a table. Default: TASK.items.jsonl beside it.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Score stored answers of a benchmark, with intervals; needs no model."""
    from vargpt_eval.score import score_answers, score_line

    progress = lines_on_stderr("score")
    done = score_answers(answers, task, out, progress, profile=profile, items=items)
    typer.echo(score_line(done))


@app.command(epilog="Example: vargpt-eval report ./run ./baseline --out ./report")
def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, as `score` writes them.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.md, report.json.")],
    config: ConfigFile = None,
) -> None:
    """Set runs beside the paper's Tables 1, 3, 4 and 5, with intervals and answers to browse."""
    from vargpt_eval.report.page import make_report

    done = make_report(runs, out)
    typer.echo(
        f"{counted(done.num_runs, 'run')}, {counted(done.num_scores, 'score')} -> {done.page}"
    )


@app.command(epilog="Example: vargpt-eval compare ./baseline ./run --out ./differences.json")
def compare(
    a: Annotated[Path, typer.Argument(help="Run folder to compare with.")],
    b: Annotated[Path, typer.Argument(help="Run folder to compare.")],
    out: Annotated[Path | None, typer.Option(help="JSON file for the figures.")] = None,
    config: ConfigFile = None,
) -> None:
    """B less A on the items that both answered, with paired intervals and tests."""
    from vargpt_eval.compare import compare_runs

    found = compare_runs(a, b, out)
    for one in found.tasks:
        typer.echo(_comparison_line(one))
    for drawn in found.drawn:
        stamp = "" if drawn.stamp is None else f" ({drawn.stamp} with others)"
        values = f"{drawn.value_a:,.4f} -> {drawn.value_b:,.4f}, {drawn.delta:+,.4f}"
        typer.echo(f"{drawn.metric}: {values}{stamp}")
    num_apart = sum(one.is_within_noise is False for one in found.tasks)
    typer.echo(
        f"{counted(len(found.tasks), 'benchmark')} compared, {num_apart:,} differ "
        f"-> {out or 'stdout'}"
    )


def _comparison_line(one: "TaskComparison") -> str:
    scale = 1.0 if one.is_points else 100.0
    interval = (
        "no interval"
        if one.ci95 is None
        else f"95 % {scale * one.ci95[0]:+,.2f} to {scale * one.ci95[1]:+,.2f}"
    )
    mcnemar = "" if one.mcnemar_p is None else f", McNemar p {one.mcnemar_p:.3g}"
    return (
        f"{one.task}: {one.metric} {scale * one.value_a:,.2f} -> {scale * one.value_b:,.2f}, "
        f"{scale * one.delta:+,.2f} ({interval}), swap p {one.swap_p:.3g}{mcnemar}; "
        f"{counted(one.num_shared, 'shared item')}"
    )


def main() -> None:
    """Run the command; a user's mistake is one line and exit code 2."""
    try:
        app()
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            words = shlex.join(["vargpt-eval", *sys.argv[1:]])
            typer.echo(f"interrupted; what is done is kept. Continue with: {words}", err=True)
        raise
    except (UserError, OSError) as error:
        refusal = refused_path(error) if isinstance(error, OSError) else error
        if refusal is None:
            raise
        typer.echo(f"error: {' '.join(str(refusal).split())}", err=True)
        sys.exit(2)
