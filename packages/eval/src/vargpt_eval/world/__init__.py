"""Scores drawings of the sample world: the checker reads the scene off the pixels."""

from vargpt_eval.world.checker import seen_scene

__all__ = ["seen_scene"]
