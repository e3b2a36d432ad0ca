"""`vargpt-eval ablations`: rows of Table 4 or 5 beside the full model, over seeds."""

from pathlib import Path
from typing import Annotated

import typer

from vargpt_eval.config_file import ConfigFile
from vargpt_eval.counted import counted
from vargpt_schema import UserError


def ablations(
    row: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=DIR",
            help="Row of the table; its runs or models, a subfolder a seed. May be repeated.",
        ),
    ],
    table: Annotated[int, typer.Option(min=4, max=5, help="Table of the paper.")],
    out: Annotated[Path, typer.Option(help="Folder for ablations.html, .md and .json.")],
    note: Annotated[
        list[str] | None, typer.Option(help="Said in the report: what stands for what.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Set ablations beside the full model, seed by seed, with the paper's rows beside them."""
    from vargpt_eval.ablations import make_ablations

    rows: dict[str, list[Path]] = {}
    for name, folder in map(_named, row):
        rows.setdefault(name, []).append(folder)
    done = make_ablations(table, rows, out, notes=note or [])
    typer.echo(
        f"{counted(done.num_rows, 'row')}, {counted(done.num_seeds, 'seed')}, "
        f"{done.num_resolved:,} of {counted(done.num_differences, 'difference')} resolved "
        f"-> {done.page}"
    )


def _named(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not equals or not folder:
        raise UserError(
            f"--row: {text!r} found, NAME=DIR expected. Name a row of the paper's table and the "
            'folder of its runs: --row "full=./full".'
        )
    return name, Path(folder)
