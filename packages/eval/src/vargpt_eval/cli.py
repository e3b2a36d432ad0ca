"""The `vargpt-eval` command. Heavy imports wait until a command runs, so `--help` stays quick."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

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
