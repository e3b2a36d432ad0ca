"""`vargpt-eval beside`: a model's answers beside a baseline's."""

from pathlib import Path
from typing import Annotated

import typer

from vargpt_eval.config_file import ConfigFile
from vargpt_eval.counted import counted
from vargpt_eval.extras import needs_extra
from vargpt_schema import UserError


def beside(
    run: Annotated[Path, typer.Argument(help="Run folder of `vargpt-eval run`.")],
    baseline: Annotated[Path, typer.Argument(help="Run folder of the baseline.")],
    out: Annotated[Path, typer.Option(help="Folder for beside.html and beside.json.")],
    task: Annotated[str, typer.Option(help="Benchmark that both answered.")] = "llava_bench",
    data: Annotated[
        Path | None, typer.Option(help="Downloaded data sets, whose pictures the page then shows.")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="OpenAI-compatible URL of a judge.", show_default="none")
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="Model that judges.")] = None,
    key_env: Annotated[str, typer.Option(help="Variable that holds its key.")] = "OPENAI_API_KEY",
    config: ConfigFile = None,
) -> None:
    """Set answers beside a baseline's, as the paper's Tables 6 to 11; a judge may rate them."""
    from vargpt_eval.beside import set_beside

    asked = None
    if judge is None and judge_model is not None:
        raise UserError(
            f"--judge-model {judge_model}: no --judge found, the URL of its endpoint expected. "
            "Give one, or leave --judge-model out."
        )
    if judge is not None:
        if judge_model is None:
            raise UserError(
                "--judge: no --judge-model found, the id of a model there expected. Name one."
            )
        with needs_extra("judge"):
            from vargpt_eval.judge import open_judge

        asked = open_judge(judge, judge_model, key_env)
        typer.echo(f"judge: {judge_model} at {judge}", err=True)
    done = set_beside(run, baseline, out, task=task, data=data, judge=asked)
    typer.echo(f"{counted(done.num_pairs, 'pair')}, {done.num_judged:,} judged -> {done.page}")
