"""Batches in which pictures differ in nothing but the shape, so that shapes must be seen.

Without them colour, size and background tell most pictures apart, and the shape is learned last.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vargpt_model.training.batch_order import batch_at
from vargpt_schema.world import Scene

GROUP_SIZE = 4  # pictures of different shapes, all else equal


class ContrastBatch(NamedTuple):
    """What one step sees."""

    rows: list[int]
    num_hard: int  # of them, in front, in groups that differ in the shape alone


class ContrastBatches:
    """The rows of any step: a pure function of seed and step."""

    def __init__(
        self, scenes: Sequence[Scene], *, batch_size: int, hard_frac: float, seed: int
    ) -> None:
        self.num_rows = len(scenes)
        self.batch_size = batch_size
        self.seed = seed
        self.groups = shape_groups(scenes)
        self.num_groups = int(batch_size * hard_frac) // GROUP_SIZE if self.groups else 0

    def at(self, step: int) -> ContrastBatch:
        """Rows of one 0-based step: groups first, then any."""
        dice = np.random.Generator(np.random.PCG64([self.seed, step]))
        rows: list[int] = []
        for group in dice.integers(len(self.groups), size=self.num_groups) if self.groups else ():
            shapes = self.groups[group]
            chosen = dice.permutation(len(shapes))[:GROUP_SIZE]
            rows += [int(dice.choice(shapes[shape])) for shape in chosen]
        others = batch_at(
            step,
            num_items=self.num_rows,
            batch_size=self.batch_size - len(rows),
            seed=self.seed,
        )
        return ContrastBatch(rows + [draw.item for draw in others], len(rows))


def shape_groups(scenes: Sequence[Scene]) -> list[list[list[int]]]:
    """Rows of one-object scenes that differ in the shape alone: groups, shapes, rows.

    Groups of a single shape are left out.
    """
    found: dict[tuple[object, ...], dict[object, list[int]]] = defaultdict(dict)
    for row, scene in enumerate(scenes):
        if len(scene.objects) == 1:
            thing = scene.objects[0]
            alike = (scene.background, thing.colour, thing.size, thing.position)
            found[alike].setdefault(thing.shape, []).append(row)
    return [list(shapes.values()) for shapes in found.values() if len(shapes) > 1]
