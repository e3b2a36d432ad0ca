"""Metrics of a run as JSON lines, one a logged step; a resumed run continues where it stands."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vargpt_model.training.checkpoints import disk_error, write_file


class MetricsLog:
    """OUT/metrics.jsonl."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def cut_to(self, step: int) -> None:
        """Drop lines of later steps, and a last line that was cut off: they will come again."""
        if not self.path.exists():
            return
        kept = [line for line in self.path.read_text("utf-8").splitlines() if _step(line) <= step]
        text = "".join(f"{line}\n" for line in kept)
        write_file(self.path, lambda temporary: _write_text(temporary, text))

    def append(self, step: int, metrics: Mapping[str, Any]) -> None:
        """One line; it reaches the disk with the next checkpoint at the latest."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": step, **metrics}) + "\n")
        except OSError as error:
            raise disk_error(self.path, error) from error

    def sync(self) -> None:
        """Make all lines durable."""
        if self.path.exists():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError):
        return float("inf")


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
