"""Weights from files and to files."""

from vargpt_model.weights.model_folder import Opened, open_model, write_model
from vargpt_model.weights.starting_model import (
    Start,
    start_from_official,
    start_from_preset,
    start_from_published,
)

__all__ = [
    "Opened",
    "Start",
    "open_model",
    "start_from_official",
    "start_from_preset",
    "start_from_published",
    "write_model",
]
