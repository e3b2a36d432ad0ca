"""A run's folder as the report reads it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_eval.run_folder import RunFolder, open_run
from vargpt_eval.scoring.task import TASKS
from vargpt_schema import UserError


class ScoredRun(NamedTuple):
    name: str  # of its folder
    folder: RunFolder
    run: dict[str, Any]
    summary: dict[str, Any]  # task to figures

    @property
    def profile(self) -> str | None:
        return self.run.get("profile")

    @property
    def model(self) -> str:
        """The first digits of its weights' sha256, where the run says."""
        return (self.run.get("model_sha256") or "not stated")[:16]

    @property
    def tasks(self) -> list[str]:
        """Benchmarks scored, in the order of the paper's tables."""
        return [name for name in TASKS if name in self.summary]

    def figure(self, task: str, metric: str) -> dict[str, Any] | None:
        """Value, interval and unit of one metric; None where the run has none."""
        return self.summary.get(task, {}).get("metrics", {}).get(metric)

    def is_subset(self, task: str) -> bool:
        return bool(self.summary.get(task, {}).get("is_subset"))


def read_runs(paths: Sequence[Path]) -> list[ScoredRun]:
    """UserError for no run, one without scores, or two of one name."""
    if not paths:
        raise UserError("no run found, at least one folder expected. Run `vargpt-eval report RUN`.")
    runs = []
    for path in paths:
        folder = open_run(path)
        runs.append(ScoredRun(path.resolve().name, folder, folder.run(), folder.summary()))
    names = [run.name for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"two runs named {twice[0]!r} found, a name of its own for each expected. "
            "Rename one of the folders."
        )
    return runs
