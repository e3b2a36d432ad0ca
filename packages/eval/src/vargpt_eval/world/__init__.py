"""Scores drawings of the sample world: the checker reads the scene off the pixels."""

from vargpt_eval.world.checker import seen_scene
from vargpt_eval.world.score import WorldScore, score_world

__all__ = ["WorldScore", "score_world", "seen_scene"]
