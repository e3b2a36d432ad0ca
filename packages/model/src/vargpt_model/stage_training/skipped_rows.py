"""Rows whose image could not be read: told once, listed, counted."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from vargpt_model.stage_training.examples import Unreadable


class SkippedRows:
    """OUT/skipped/rank-00000.jsonl, a line a row; calls on the folder add to it."""

    def __init__(self, out: Path, rank: int, warn: Callable[[str], None]) -> None:
        self._folder = out / "skipped"
        self._path = self._folder / f"rank-{rank:05d}.jsonl"
        self._warn = warn
        self._known = set(_ids(self._path))

    def add(self, rows: Iterable[Unreadable]) -> None:
        """List those that are new."""
        for row in rows:
            if row.sample_id in self._known:
                continue
            self._known.add(row.sample_id)
            self._warn(f"skipped row {row.sample_id}: {row.reason}")
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row._asdict()) + "\n")

    def count(self) -> int:
        """Rows of all ranks."""
        return len({one for path in sorted(self._folder.glob("*.jsonl")) for one in _ids(path)})


def _ids(path: Path) -> list[str]:
    if not path.exists():
        return []
    ids = []
    for line in path.read_text("utf-8").splitlines():
        try:
            ids.append(json.loads(line)["sample_id"])
        except (ValueError, KeyError):  # a line that a kill cut off
            continue
    return ids
