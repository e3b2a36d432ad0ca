"""`--config FILE` as an option of a command; options on the command line win."""

from pathlib import Path
from typing import Annotated

import typer


def _apply(context: typer.Context, value: Path | None) -> Path | None:
    if value is not None:
        from vargpt_schema.config_file import set_defaults  # with it comes pyarrow

        set_defaults(context, value)
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
