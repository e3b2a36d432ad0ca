"""Which part of the shards one process makes: a rank of torchrun, or a task of a Slurm array."""

import os
import re
from typing import NamedTuple

from vargpt_schema import UserError

_PART = re.compile(r"(\d{1,6})/(\d{1,6})")


class Part(NamedTuple):
    """One of so many processes; it makes every `total`-th shard."""

    number: int
    total: int
    local_rank: int  # its GPU on this machine


def part_of(part: str | None) -> Part:
    """What `--part I/N` says, else RANK, WORLD_SIZE and LOCAL_RANK, else the whole.

    UserError for anything but 0 <= I < N.
    """
    if part is not None:
        match = _PART.fullmatch(part)
        found = Part(int(match[1]), int(match[2]), 0) if match else Part(-1, 0, 0)
        if not 0 <= found.number < found.total:
            raise UserError(
                f"--part {part}: I/N with 0 <= I < N was expected, such as 0/8. Change it."
            )
        return found
    told = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    if not told["RANK"] and not told["WORLD_SIZE"]:
        return Part(0, 1, 0)
    try:
        found = Part(int(told["RANK"]), int(told["WORLD_SIZE"]), int(told["LOCAL_RANK"] or 0))
    except ValueError:
        found = Part(-1, 0, 0)
    if not 0 <= found.number < found.total:
        raise UserError(
            f"RANK={told['RANK']!r} and WORLD_SIZE={told['WORLD_SIZE']!r} found in the "
            "environment, numbers with 0 <= RANK < WORLD_SIZE were expected. Start with torchrun, "
            "or unset both."
        )
    return found
