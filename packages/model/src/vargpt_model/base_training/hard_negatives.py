"""Batches in which pictures differ in nothing but the shape, or the size, so that it must be seen.

Without them colour, position and background tell most pictures apart, and these are learned last.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vargpt_model.training.batch_order import batch_at
from vargpt_schema.world import Scene

GROUP_SIZE = 4  # pictures at most; of three sizes
HARD = ("shape", "size")  # in turn


class ContrastBatch(NamedTuple):
    """What one step sees."""

    rows: list[int]
    num_hard: int  # of them, in front, in groups that differ in one attribute alone


class ContrastBatches:
    """The rows of any step: a pure function of seed and step."""

    def __init__(
        self, scenes: Sequence[Scene], *, batch_size: int, hard_frac: float, seed: int
    ) -> None:
        self.num_rows = len(scenes)
        self.batch_size = batch_size
        self.seed = seed
        found = [alike_but_for(name, scenes) for name in HARD]
        self.groups = [groups for groups in found if groups]
        self.num_groups = int(batch_size * hard_frac) // GROUP_SIZE if self.groups else 0

    def at(self, step: int) -> ContrastBatch:
        """Rows of one 0-based step: groups first, then any."""
        dice = np.random.Generator(np.random.PCG64([self.seed, step]))
        rows: list[int] = []
        for number in range(self.num_groups):
            groups = self.groups[number % len(self.groups)]
            variants = groups[dice.integers(len(groups))]
            chosen = dice.permutation(len(variants))[:GROUP_SIZE]
            rows += [int(dice.choice(variants[variant])) for variant in chosen]
        others = batch_at(
            step,
            num_items=self.num_rows,
            batch_size=self.batch_size - len(rows),
            seed=self.seed,
        )
        return ContrastBatch(rows + [draw.item for draw in others], len(rows))


def alike_but_for(attribute: str, scenes: Sequence[Scene]) -> list[list[list[int]]]:
    """Rows of one-object scenes that differ in one attribute alone: groups, variants, rows.

    Groups of a single variant are left out.
    """
    found: dict[tuple[object, ...], dict[object, list[int]]] = defaultdict(dict)
    for row, scene in enumerate(scenes):
        if len(scene.objects) == 1:
            thing = scene.objects[0]._asdict()
            variant = thing.pop(attribute)
            alike = (scene.background, *thing.values())
            found[alike].setdefault(variant, []).append(row)
    return [list(variants.values()) for variants in found.values() if len(variants) > 1]
