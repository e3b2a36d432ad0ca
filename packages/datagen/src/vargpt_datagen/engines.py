"""What runs the work: this process, or the actors of a Ray cluster."""

from importlib.util import find_spec
from typing import Literal

from vargpt_schema import UserError

Engine = Literal["local", "ray"]


def expect_engine(engine: Engine, workers: int | None) -> None:
    """UserError for workers that cannot be, and where Ray is asked for and not installed."""
    if workers is not None and workers < 1:
        raise UserError(f"--workers {workers}: at least 1 was expected. Raise it.")
    if workers is not None and engine == "local":
        raise UserError("--workers: an option of --engine ray. Add that, or leave it out.")
    if engine == "ray" and find_spec("ray") is None:
        raise UserError(
            "--engine ray: the package ray is missing. Install it with "
            "`uv sync --all-packages --all-extras`, or leave --engine out."
        )
