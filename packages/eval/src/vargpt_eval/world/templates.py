"""What every object looks like to the checker: shape masks rendered from the outlines with numpy.

Written apart from the drawing program on purpose, so that neither hides a fault of the other.

9 cells of the picture, row by row    K = 24 shapes x sizes    P pixels of one cell
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_schema.world import (
    CIRCLE_RADIUS,
    OUTLINES,
    POSITION_CENTRES,
    POSITIONS,
    RING_INNER_RADIUS,
    SHAPES,
    SIZE_SIDES,
    SIZES,
    Position,
    Shape,
    Size,
    centre_of,
)

_SUBPIXELS = 8  # per pixel and direction

KINDS: tuple[tuple[Shape, Size], ...] = tuple((shape, size) for shape in SHAPES for size in SIZES)


class Templates(NamedTuple):
    """Everything that fitting needs for pictures of one size."""

    rows: NDArray[np.intp]  # (9, P) pixel row of each pixel of a cell
    columns: NDArray[np.intp]  # (9, P)
    masks: NDArray[np.float32]  # (9, K, P) coverage in [0, 1]
    energies: NDArray[np.float32]  # (9, K) sum of squared coverage
    border: NDArray[np.bool_]  # (side, side) True where no object can reach


@lru_cache(maxsize=64)
def templates(side_px: int) -> Templates:
    """Masks for square pictures of this side."""
    reach = (POSITION_CENTRES[1] - POSITION_CENTRES[0]) / 2
    cell_px = round(2 * reach * side_px)
    rows, columns, masks = [], [], []
    for position in POSITIONS:
        centre = centre_of(position)
        top = round((centre.y - reach) * side_px)
        left = round((centre.x - reach) * side_px)
        row, column = np.mgrid[top : top + cell_px, left : left + cell_px]
        rows.append(row.ravel())
        columns.append(column.ravel())
        masks.append([_mask(kind, position, side_px, top, left, cell_px) for kind in KINDS])
    border = np.ones((side_px, side_px), bool)
    border[np.array(rows), np.array(columns)] = False
    mask_array = np.array(masks, np.float32)
    return Templates(
        np.array(rows), np.array(columns), mask_array, (mask_array**2).sum(axis=2), border
    )


def _mask(
    kind: tuple[Shape, Size], position: Position, side_px: int, top: int, left: int, cell_px: int
) -> NDArray[np.float32]:
    """(P,) covered share of every pixel of the cell."""
    shape, size = kind
    centre = centre_of(position)
    object_px = SIZE_SIDES[size] * side_px
    fine = (np.arange(cell_px * _SUBPIXELS) + 0.5) / _SUBPIXELS
    x = ((left + fine - centre.x * side_px) / object_px)[None, :]
    y = ((top + fine - centre.y * side_px) / object_px)[:, None]
    covered = _inside(shape, x, y).reshape(cell_px, _SUBPIXELS, cell_px, _SUBPIXELS)
    return covered.mean(axis=(1, 3), dtype=np.float32).ravel()


def _inside(shape: Shape, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether points of the unit box lie in a shape: by radius, or by counting crossed edges."""
    if shape not in OUTLINES:
        squared = x * x + y * y
        inner = RING_INNER_RADIUS if shape == "ring" else 0.0
        return (squared <= CIRCLE_RADIUS**2) & (squared >= inner**2)
    corners = OUTLINES[shape]
    inside = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    for start, end in zip(corners, (*corners[1:], corners[0]), strict=True):
        if start.y == end.y:
            continue
        crosses = (y >= min(start.y, end.y)) & (y < max(start.y, end.y))
        edge_x = start.x + (y - start.y) * (end.x - start.x) / (end.y - start.y)
        inside ^= crosses & (x < edge_x)
    return inside
