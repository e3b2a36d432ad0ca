"""The sample world's words, and the numbers that drawing and checker share.

Lengths are fractions of the image side. Outlines lie in a box of side 1 around (0, 0), y down.
"""

import math
from typing import Literal, NamedTuple, get_args

Shape = Literal["circle", "square", "triangle", "moon", "cross", "star", "ring", "heart"]
Colour = Literal["red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink"]
Size = Literal["small", "medium", "large"]
Position = Literal[
    "top left", "top centre", "top right",
    "middle left", "centre", "middle right",
    "bottom left", "bottom centre", "bottom right",
]  # fmt: skip
Background = Literal["white", "black", "grey", "navy", "brown", "beige"]
Relation = Literal["left of", "right of", "above", "below"]

SHAPES: tuple[Shape, ...] = get_args(Shape)
COLOURS: tuple[Colour, ...] = get_args(Colour)
SIZES: tuple[Size, ...] = get_args(Size)
POSITIONS: tuple[Position, ...] = get_args(Position)  # row by row, from the top left
BACKGROUNDS: tuple[Background, ...] = get_args(Background)
RELATIONS: tuple[Relation, ...] = get_args(Relation)

Rgb = tuple[int, int, int]

# Far apart in lightness as well as in hue: JPEG keeps lightness at four times the chroma's detail.
COLOUR_RGB: dict[Colour, Rgb] = {
    "red": (230, 0, 35),
    "orange": (255, 125, 5),
    "yellow": (255, 245, 0),
    "green": (0, 200, 10),
    "cyan": (40, 240, 240),
    "blue": (10, 75, 255),
    "purple": (165, 0, 220),
    "pink": (255, 90, 205),
}
BACKGROUND_RGB: dict[Background, Rgb] = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "grey": (100, 100, 100),
    "navy": (5, 15, 100),
    "brown": (88, 52, 20),
    "beige": (220, 215, 165),
}

# On the 4 px grid of a 64 px picture; two large neighbours touch but never overlap.
POSITION_CENTRES: tuple[float, float, float] = (3 / 16, 8 / 16, 13 / 16)
SIZE_SIDES: dict[Size, float] = {"small": 3 / 16, "medium": 1 / 4, "large": 5 / 16}

# Never drawn, captioned or asked about in training or validation: each shape and each colour once.
WITHHELD_PAIRS: tuple[tuple[Shape, Colour], ...] = (
    ("circle", "cyan"),
    ("square", "pink"),
    ("triangle", "blue"),
    ("moon", "orange"),
    ("cross", "green"),
    ("star", "purple"),
    ("ring", "red"),
    ("heart", "yellow"),
)


class Point(NamedTuple):
    """A place relative to an object's centre, or a centre relative to the picture's top left."""

    x: float
    y: float


def centre_of(position: Position) -> Point:
    """Centre of a position in the picture."""
    row, column = divmod(POSITIONS.index(position), 3)
    return Point(POSITION_CENTRES[column], POSITION_CENTRES[row])


CIRCLE_RADIUS = 0.5
RING_INNER_RADIUS = 0.27


def _star() -> tuple[Point, ...]:
    corners = []
    for corner in range(10):
        radius = 0.525 if corner % 2 == 0 else 0.25
        angle = math.pi * corner / 5
        corners.append(Point(radius * math.sin(angle), 0.03 - radius * math.cos(angle)))
    return tuple(corners)


def _heart(corners: int = 48) -> tuple[Point, ...]:
    outline = []
    for corner in range(corners):
        angle = 2 * math.pi * corner / corners
        across = 16 * math.sin(angle) ** 3
        up = 13 * math.cos(angle) - 5 * math.cos(2 * angle)
        up -= 2 * math.cos(3 * angle) + math.cos(4 * angle)
        outline.append(Point(across / 32, (-up - 2.5) / 29))
    return tuple(outline)


def _moon(corners: int = 24) -> tuple[Point, ...]:
    """A crescent: a disc of radius 0.5 less a smaller one to its right."""
    bite_x, bite_radius = 0.25, 0.4
    tip_x = (0.5**2 - bite_radius**2 + bite_x**2) / (2 * bite_x)
    tip_y = math.sqrt(0.5**2 - tip_x**2)
    outer, inner = math.atan2(tip_y, tip_x), math.atan2(tip_y, tip_x - bite_x)
    steps = [corner / corners for corner in range(corners + 1)]
    turns = [outer + (2 * math.pi - 2 * outer) * step for step in steps]
    outline = [Point(0.5 * math.cos(turn), 0.5 * math.sin(turn)) for turn in turns]
    turns = [-inner - (2 * math.pi - 2 * inner) * step for step in steps]
    outline += [
        Point(bite_x + bite_radius * math.cos(turn), bite_radius * math.sin(turn)) for turn in turns
    ]
    return tuple(outline)


# Corners of every shape that is neither circle nor ring.
OUTLINES: dict[Shape, tuple[Point, ...]] = {
    "square": (Point(-0.5, -0.5), Point(0.5, -0.5), Point(0.5, 0.5), Point(-0.5, 0.5)),
    "triangle": (Point(0.0, -0.5), Point(0.5, 0.5), Point(-0.5, 0.5)),
    "cross": tuple(
        Point(x, y)
        for x, y in (
            (-0.16, -0.5), (0.16, -0.5), (0.16, -0.16), (0.5, -0.16), (0.5, 0.16), (0.16, 0.16),
            (0.16, 0.5), (-0.16, 0.5), (-0.16, 0.16), (-0.5, 0.16), (-0.5, -0.16), (-0.16, -0.16),
        )
    ),
    "star": _star(),
    "moon": _moon(),
    "heart": _heart(),
}  # fmt: skip
