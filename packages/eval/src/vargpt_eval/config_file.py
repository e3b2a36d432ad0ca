"""`--config FILE` as an option of a command; options on the command line win."""

from pathlib import Path
from typing import Annotated

import typer


def _apply(context: typer.Context, value: Path | None) -> Path | None:
    if value is not None:
        from vargpt_schema.config_file import read_options  # with it comes pyarrow

        parameters = {
            name.lstrip("-"): param.name
            for param in context.command.params
            for name in param.opts
            if param.name not in (None, "config", "help")
        }
        context.default_map = {**(context.default_map or {}), **read_options(value, parameters)}
    return value


ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file of options; the command line wins.",
        is_eager=True,
        callback=_apply,
    ),
]
