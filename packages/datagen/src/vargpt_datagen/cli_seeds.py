"""The command that has an LLM write pools of seeds: `datagen seeds`."""

from pathlib import Path
from typing import Annotated

import typer

from vargpt_datagen.cli_options import JournalDir, KeyEnv, MaxUsd, Model, Price, ReplyTimeout
from vargpt_datagen.config_file import ConfigFile
from vargpt_datagen.resumable import resumable


def seeds(
    out: Annotated[Path, typer.Option(help="Output folder, as --seeds of build-130k takes it.")],
    writer: Annotated[
        str | None, typer.Option(help="deepseek, or the base URL of a host.", metavar="NAME|URL")
    ] = None,
    count: Annotated[int, typer.Option(help="Seeds of each kind; may be raised later.")] = 120,
    seed: Annotated[int, typer.Option(help="Chooses the examples that requests show.")] = 0,
    work_dir: JournalDir = None,
    model: Model = None,
    key_env: KeyEnv = None,
    price: Price = None,
    in_flight: Annotated[int, typer.Option(help="Requests at once, at most; 3 have work.")] = 3,
    max_usd: MaxUsd = None,
    reply_timeout: ReplyTimeout = 600.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the first requests and USD; write nothing.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Ask an LLM for the three pools of seeds: for the request, the scene and the answer."""
    from vargpt_datagen.seeds import build as making
    from vargpt_datagen.writer_config import OFFLINE, WriterConfig

    settings = making.SeedsConfig(
        out=out,
        count=count,
        seed=seed,
        work_dir=work_dir,
        writer=WriterConfig(
            name=writer or OFFLINE,
            model=model,
            key_env=key_env,
            price=price,
            in_flight=in_flight,
            max_usd=max_usd,
            reply_timeout_s=reply_timeout,
        ),
    )
    if dry_run:
        typer.echo(making.dry_run_seeds(settings))
        return
    with resumable():
        made = making.seeds(settings)
    if made.was_finished:
        typer.echo(f"{made.num_seeds:,} seeds were published already, nothing to do -> {made.out}")
    else:
        paid = "" if made.usd is None else f", {made.usd:.2f} USD"
        typer.echo(
            f"{made.num_seeds:,} seeds ({made.num_of_kind:,} of each kind){paid} -> {made.out}"
        )
