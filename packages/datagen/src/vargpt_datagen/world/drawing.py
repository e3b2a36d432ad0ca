"""Draws a scene of the sample world at any size: flat colours, anti-aliased edges."""

import io
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw

from vargpt_schema.world import (
    BACKGROUND_RGB,
    CIRCLE_RADIUS,
    COLOUR_RGB,
    OUTLINES,
    RING_INNER_RADIUS,
    SIZE_SIDES,
    Position,
    Scene,
    Shape,
    Size,
    centre_of,
)

MIN_SIZE_PX = 16
MAX_SIZE_PX = 4_096


class _Sprite(NamedTuple):
    """The coverage of one object, and the picture's pixel where its top left corner belongs."""

    left_px: int
    top_px: int
    coverage: Image.Image  # mode L, 255 = covered


def draw(scene: Scene, size_px: int) -> Image.Image:
    """A complete scene as an RGB picture; the same pixels every time.

    ValueError for a partial scene or a size outside 16 to 4,096 px.
    """
    if not MIN_SIZE_PX <= size_px <= MAX_SIZE_PX:
        raise ValueError(f"size_px must lie in {MIN_SIZE_PX} to {MAX_SIZE_PX}; got {size_px}")
    if scene.background is None:
        raise ValueError("a partial scene cannot be drawn: its background is not named")
    picture = Image.new("RGB", (size_px, size_px), BACKGROUND_RGB[scene.background])
    for thing in scene.objects:
        if not (thing.shape and thing.colour and thing.size and thing.position):
            raise ValueError(f"a partial scene cannot be drawn: {thing} lacks an attribute")
        sprite = _sprite(thing.shape, thing.size, thing.position, size_px)
        corner = (sprite.left_px, sprite.top_px)
        picture.paste(COLOUR_RGB[thing.colour], corner, sprite.coverage)
    return picture


def png_bytes(scene: Scene, size_px: int) -> bytes:
    """`draw` as a PNG file."""
    buffer = io.BytesIO()
    draw(scene, size_px).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@lru_cache(maxsize=1_024)
def _sprite(shape: Shape, size: Size, position: Position, size_px: int) -> _Sprite:
    """Drawn large without anti-aliasing, which Pillow lacks, and averaged down."""
    centre = centre_of(position)
    side_px = SIZE_SIDES[size] * size_px
    left_px = int(centre.x * size_px - side_px / 2)
    top_px = int(centre.y * size_px - side_px / 2)
    width_px = int(side_px) + 2  # a centre between pixels reaches one pixel further
    enlargement = max(2, min(32, 1_024 // width_px))
    canvas = Image.new("L", (width_px * enlargement, width_px * enlargement))
    pen = ImageDraw.Draw(canvas)
    # Pillow counts from pixel centres, the outlines from the canvas's corner.
    across = (centre.x * size_px - left_px) * enlargement - 0.5
    down = (centre.y * size_px - top_px) * enlargement - 0.5
    side = side_px * enlargement
    if shape in OUTLINES:
        corners = [(across + x * side, down + y * side) for x, y in OUTLINES[shape]]
        pen.polygon(corners, fill=255)
    else:
        discs = ((CIRCLE_RADIUS, 255), (RING_INNER_RADIUS, 0))
        for radius, fill in discs if shape == "ring" else discs[:1]:
            reach = radius * side
            pen.ellipse((across - reach, down - reach, across + reach, down + reach), fill=fill)
    return _Sprite(left_px, top_px, canvas.reduce(enlargement))
