"""Draws the sample world."""

from vargpt_datagen.world.drawing import draw, png_bytes
from vargpt_datagen.world.pictures import Drawn, captions_table, draw_for_build, draw_world

__all__ = ["Drawn", "captions_table", "draw", "draw_for_build", "draw_world", "png_bytes"]
