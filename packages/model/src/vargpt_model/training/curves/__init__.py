"""`curves.html`: one self-contained page of a run's losses, rates and pictures."""

from vargpt_model.training.curves.page import write_curves

__all__ = ["write_curves"]
