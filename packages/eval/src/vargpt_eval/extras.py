"""Optional parts of the installation, and what to say when one is absent."""

from collections.abc import Iterator
from contextlib import contextmanager

from vargpt_schema import UserError


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Around imports: a package that is absent is the user's one line, not a traceback."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(
            f"this command: package {error.name!r} not found, the extra `{extra}` of vargpt-eval "
            "expected. Install it with `uv sync --all-packages --all-extras`."
        ) from error
