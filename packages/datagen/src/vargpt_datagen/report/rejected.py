"""The report's section on rejects: counts by reason, each with examples."""

from pathlib import Path
from typing import Any, NamedTuple

from vargpt_datagen.folder import BuildFolder
from vargpt_schema import REJECTS
from vargpt_schema.compute import pc

EXAMPLES = 3


class RejectGroup(NamedTuple):
    reason: str
    candidates: int
    frac: float  # of all rejects
    examples: list[dict[str, Any]]  # rows of the table, spread over the group


def reject_groups(folder: Path) -> list[RejectGroup]:
    """Rejects by reason, the most frequent first; empty for a build without any."""
    build = BuildFolder(folder)
    if not any(build.rejects.glob("*.parquet")):
        return []
    table = REJECTS.read(build.rejects)
    reasons = table.column("reason")
    groups: list[RejectGroup] = []
    for reason in sorted(set(reasons.to_pylist())):
        found = table.filter(pc.equal(reasons, reason))
        places = sorted({found.num_rows * part // EXAMPLES for part in range(EXAMPLES)})
        groups.append(
            RejectGroup(
                reason,
                found.num_rows,
                found.num_rows / table.num_rows,
                found.take(places).to_pylist(),
            )
        )
    return sorted(groups, key=lambda group: -group.candidates)
