"""Which process of how many this is, as torchrun says it."""

import os
from typing import NamedTuple

import torch

from vargpt_schema.errors import UserError


class Rank(NamedTuple):
    """One process of a data-parallel run."""

    rank: int
    world_size: int
    local_rank: int  # on this machine; its GPU

    @property
    def device(self) -> torch.device:
        """The GPU of this rank where there is one."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", self.local_rank % torch.cuda.device_count())


def rank_from_environment() -> Rank:
    """RANK, WORLD_SIZE and LOCAL_RANK; one process without them. UserError for nonsense."""
    found = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    if not found["RANK"] and not found["WORLD_SIZE"]:
        return Rank(0, 1, 0)
    try:
        rank = Rank(int(found["RANK"]), int(found["WORLD_SIZE"]), int(found["LOCAL_RANK"] or 0))
    except ValueError:
        rank = Rank(-1, 0, 0)
    if not 0 <= rank.rank < rank.world_size:
        raise UserError(
            f"RANK={found['RANK']!r} and WORLD_SIZE={found['WORLD_SIZE']!r} found in the "
            "environment, numbers with 0 <= RANK < WORLD_SIZE were expected. Start with torchrun, "
            "or unset both."
        )
    return rank
