"""A run of small.py: what is done, and what is kept of it."""

import json
from pathlib import Path
from typing import Any

from packed_state import load, save  # beside this file

from vargpt_schema.errors import UserError

RECORD = "small.json"  # steps done and figures


class LimitReachedError(BaseException):  # no `except Exception` on the way may take it
    """The limit was reached, or a signal came; what is done is kept."""


class SmallRun:
    """WORK, STATE, and what is done."""

    def __init__(self, config: dict[str, Any], work: Path, state: Path) -> None:
        self.config, self.work, self.state = config, work, state
        self.done: list[str] = []
        self.figures: dict[str, Any] = {}
        self.drawn: set[Path] = set()  # worlds that this process has looked through

    def open(self, states: list[Path]) -> None:
        """Go on where WORK is, or else where the first of these states that holds a set is."""
        self.work.mkdir(parents=True, exist_ok=True)
        if not (self.work / RECORD).exists():
            any(load(state, self.work) for state in states if state.is_dir())
        if (self.work / RECORD).exists():
            held = json.loads((self.work / RECORD).read_text())
            if held["config"] != json.loads(json.dumps(self.config)):
                raise UserError(
                    f"{self.work / RECORD}: a run of another configuration found. Choose another "
                    "--work and --state, or undo the change."
                )
            self.done, self.figures = held["done"], held["figures"]
            self._keep()

    def finish(self, step: str, figures: dict[str, Any]) -> None:
        """Write down that a step is done, and keep what the next ones need."""
        self.done.append(step)
        self.figures[step] = figures
        content = {"config": self.config, "done": self.done, "figures": self.figures}
        partial = self.work / f".{RECORD}"
        partial.write_text(json.dumps(content, indent=2) + "\n")
        partial.replace(self.work / RECORD)
        self._keep()

    @property
    def model(self) -> Path | None:
        """The newest of base, stage1, stage2, stage3."""
        made = [step for step in self.done if step in ("base", "stage1", "stage2", "stage3")]
        return self.work / made[-1] if made else None

    def _keep(self) -> None:
        kept = self.model or self.work / "image-tokenizer"
        files = [path for path in sorted(kept.iterdir()) if path.is_file()] if self.done else []
        members = [f"{kept.name}/{path.name}" for path in files if path.suffix != ".jsonl"]
        save(self.work, [RECORD, *members], self.state)
