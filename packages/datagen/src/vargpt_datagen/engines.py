"""What runs the work: this process, or the actors of a Ray cluster."""

from importlib.util import find_spec
from typing import Literal

from vargpt_schema import UserError

Engine = Literal["local", "ray"]


def expect_ray() -> None:
    """UserError where Ray is not installed."""
    if find_spec("ray") is None:
        raise UserError(
            "--engine ray: the package ray is missing. Install the extra: pip install "
            "'vargpt-datagen[ray]', or in this repository uv sync --package vargpt-datagen "
            "--extra ray; or leave --engine out."
        )
