"""Draws the sample world."""

from vargpt_datagen.world.drawing import draw, png_bytes
from vargpt_datagen.world.pictures import Drawn, draw_for_build, draw_world
from vargpt_datagen.world.tables import captions_table, questions_table

__all__ = [
    "Drawn",
    "captions_table",
    "draw",
    "draw_for_build",
    "draw_world",
    "png_bytes",
    "questions_table",
]
