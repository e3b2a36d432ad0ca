"""`vargpt-eval doctor`: what is there, what is missing."""

from pathlib import Path
from typing import Annotated

import typer

from vargpt_eval.config_file import ConfigFile
from vargpt_schema import UserError


def doctor(
    data: Annotated[Path | None, typer.Option(help="Folder of downloaded benchmarks.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of Inception, CLIP, DINOv2 and reference files.")
    ] = None,
    hashes: Annotated[
        bool, typer.Option("--hashes", help="Hash data and weights too; reads all of them.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Say which data and weights are there and how to get the rest; exit code 1 if some are not."""
    from vargpt_eval.doctor import examine

    if data is None and weights is None:
        raise UserError(
            "doctor: neither --data nor --weights found, at least one expected. Name the folders "
            "that hold benchmarks and weights, or that shall."
        )
    folders = [folder for folder in (data, weights) if folder is not None]
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise UserError(
                f"{folder}: a file found, a folder of downloads expected. Name the folder that "
                "holds them, or that shall."
            )
    found = examine(data, weights, with_hashes=hashes)
    for one in found:
        typer.echo(f"{'ok     ' if one.is_good else 'MISSING'} {one.name:24} {one.found}")
        if one.next_step:
            typer.echo(f"        {one.next_step}")
    num_good = sum(one.is_good for one in found)
    typer.echo(f"{num_good:,} of {len(found):,} there -> {', '.join(map(str, folders))}")
    if num_good < len(found):
        raise typer.Exit(1)
