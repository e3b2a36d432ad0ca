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

    def open(self, source: Path | None = None) -> None:
        """Go on where WORK is, or else where STATE or the other that is named is.

        UserError for another configuration, a damaged WORK, or a `source` that holds nothing.
        """
        self.work.mkdir(parents=True, exist_ok=True)
        if not (self.work / RECORD).exists():
            states = [self.state, source] if source else [self.state]
            found = any(load(state, self.work) for state in states if state.is_dir())
            if source and not found:
                raise UserError(
                    f"--from {source}: no state found, the --state of an earlier call was "
                    "expected. Check the path, or take --from out to start anew."
                )
        if (self.work / RECORD).exists():
            held = self._record()
            if held["config"] != json.loads(json.dumps(self.config)):
                raise UserError(
                    f"{self.work / RECORD}: a run of another configuration found, the one of "
                    "config/small.yaml was expected. Choose another --work and --state, or undo "
                    "the change."
                )
            self.done, self.figures = held["done"], held["figures"]
            if not self._kept().is_dir():
                raise UserError(
                    f"{self._kept()}: not found, the model that {RECORD} lists was expected. "
                    f"Remove {self.work}, and the same command goes on from STATE."
                )
            self._keep()

    def _record(self) -> dict[str, Any]:
        path = self.work / RECORD
        try:
            held = json.loads(path.read_text())
            return {name: held[name] for name in ("config", "done", "figures")}
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: cannot be read ({error!r}), what small.py wrote there was expected. "
                f"Remove {self.work}, and the same command goes on from STATE."
            ) from error

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

    def _kept(self) -> Path:
        return self.model or self.work / "image-tokenizer"

    def _keep(self) -> None:
        kept = self._kept()
        files = [path for path in sorted(kept.iterdir()) if path.is_file()] if self.done else []
        members = [f"{kept.name}/{path.name}" for path in files if path.suffix != ".jsonl"]
        save(self.work, [RECORD, *members], self.state)
