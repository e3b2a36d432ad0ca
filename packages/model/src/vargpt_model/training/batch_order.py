"""Which items a step sees: a pure function of seed, epoch and step, so nothing of it is saved."""

import random
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray


class Draw(NamedTuple):
    """One item of a batch, and how often the data had been gone through before it."""

    item: int  # 0-based
    epoch: int  # 0-based


@lru_cache(maxsize=2)  # a batch may begin in one epoch and end in the next
def epoch_order(num_items: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """All items once, in the order of one epoch: (num_items,)"""
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(num_items)


def batch_at(
    step: int, *, num_items: int, batch_size: int, seed: int, rank: int = 0, world_size: int = 1
) -> list[Draw]:
    """The items of one step: epochs follow each other without a gap, every item once in each.

    `batch_size` counts over all ranks; rank r takes every world_size-th item from the r-th on.
    ValueError without items.
    """
    if num_items < 1:
        raise ValueError("a batch must have items to choose from, got 0")
    places = range(step * batch_size + rank, (step + 1) * batch_size, world_size)
    draws = []
    for place in places:
        epoch, index = divmod(place, num_items)
        draws.append(Draw(int(epoch_order(num_items, seed=seed, epoch=epoch)[index]), epoch))
    return draws


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Set torch's global random streams for one step, so that a resumed run draws the same."""
    of_rank = f"/rank {rank}" if rank else ""
    torch.manual_seed(random.Random(f"{seed}/step {step}{of_rank}").getrandbits(63))
