"""Where a stage's rows come from, as it is typed; needs no torch."""

import re
from pathlib import Path
from typing import NamedTuple

from vargpt_schema.errors import UserError

_WEIGHT = re.compile(r":([0-9]*\.?[0-9]+)$")


class Source(NamedTuple):
    """A folder of `instruct` rows, and how often an epoch goes through it."""

    path: Path
    weight: float


def source_of(text: str) -> Source:
    """DIR or DIR:WEIGHT as typed. UserError for a weight of 0."""
    found = _WEIGHT.search(text)
    if found is None or Path(text).exists():
        return Source(Path(text), 1.0)
    weight = float(found.group(1))
    if not weight > 0:
        raise UserError(
            f"--data {text}: weight {weight:g} found, one above 0 was expected. Give another, or "
            "take this --data out."
        )
    return Source(Path(text[: found.start()]), weight)
