"""The `vargpt-eval` command. Heavy imports wait until a command runs, so `--help` stays quick."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from vargpt_eval.config_file import ConfigFile
from vargpt_schema.errors import UserError

app = typer.Typer(
    help="Scores VARGPT models. Every command resumes when run again.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


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

    score = score_world(generations, prompts, out, _lines_on_stderr("world"))
    typer.echo(
        f"{score.num_right:,} of {score.num_drawings:,} drawings right, "
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
    from vargpt_eval.score import score_answers

    progress = _lines_on_stderr("score")
    done = score_answers(answers, task, out, progress, profile=profile, items=items)
    typer.echo(_score_line(task, done.figures, done.headline, done.summary))


def _score_line(task: str, figures: dict[str, Any], headline: dict[str, Any], path: Path) -> str:
    share = headline["unit"] == "fraction"
    value = f"{headline['value']:.2%}" if share else f"{headline['value']:,.1f}"
    stamp = f", subset of {figures['num_items']:,}" if figures["is_subset"] else ""
    return (
        f"{task}: {figures['headline']} {value} of {figures['n']:,} answers{stamp}; "
        f"{figures['n_error']:,} errors, {figures['n_truncated']:,} cut off, "
        f"{figures['n_fallback']:,} fallbacks -> {path}"
    )


def _lines_on_stderr(what: str) -> Callable[[int, int], None]:
    started = time.monotonic()

    def show(done: int, total: int) -> None:
        rate = max(done, 1) / max(time.monotonic() - started, 1e-6)
        left_s = (total - done) / rate
        typer.echo(f"{what}: {done:,}/{total:,}, {rate:,.0f}/s, ETA {left_s:,.0f} s", err=True)

    return show


def main() -> None:
    """Run the command; a user's mistake is one line and exit code 2."""
    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
