"""Options that several commands have, each worded once."""

from pathlib import Path
from typing import Annotated

import typer

Writer = Annotated[
    str, typer.Option(help="offline, deepseek, or the base URL of a host.", metavar="NAME|URL")
]
Model = Annotated[
    str | None, typer.Option(help="Model of the host.", show_default="deepseek-flash there")
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        help="Environment variable with the key; none: send no key.",
        metavar="NAME",
        show_default="DEEPSEEK_API_KEY or OPENAI_API_KEY",
    ),
]
Price = Annotated[
    str | None,
    typer.Option(
        help="USD per million tokens.", metavar="IN,OUT[,CACHED]", show_default="the table's"
    ),
]
InFlight = Annotated[int, typer.Option(help="Requests at once, at most.")]
MaxUsd = Annotated[
    float | None,
    typer.Option(
        help="Never spend more on this folder, earlier runs included.", show_default="no cap"
    ),
]
ReplyTimeout = Annotated[
    float, typer.Option(help="Seconds until a request without a reply is sent again.")
]
Seeds = Annotated[
    Path | None, typer.Option(help="Folder of a `seeds` table.", show_default="shipped pools")
]
JournalDir = Annotated[
    Path | None,
    typer.Option(help="Local folder for journal and lock.", show_default="OUT/.work"),
]
