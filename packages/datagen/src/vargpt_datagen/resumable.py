"""What every long command says when it is interrupted."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def resumable() -> Iterator[None]:
    """Ctrl-C ends a build with what has arrived kept, and says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        words = shlex.join(["datagen", *sys.argv[1:]])
        typer.echo(f"\ninterrupted; what has arrived is kept. Continue with: {words}", err=True)
        raise typer.Exit(130) from None
