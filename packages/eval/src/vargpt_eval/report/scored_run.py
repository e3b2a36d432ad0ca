"""A run's folder as the report reads it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_eval.generation.gen_figures import TASK as DRAWN
from vargpt_eval.run_folder import RunFolder, open_run
from vargpt_eval.scoring.task import TASKS
from vargpt_eval.world.summary import TASK as WORLD
from vargpt_schema import UserError


class ScoredRun(NamedTuple):
    """A run folder, read."""

    name: str  # of its folder
    folder: RunFolder
    run: dict[str, Any]
    summary: dict[str, Any]  # task to figures

    @property
    def profile(self) -> str | None:
        """Whose reading scored its answers; None for a run that only drew."""
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
        """Whether it answered other than the whole split."""
        return bool(self.summary.get(task, {}).get("is_subset"))


_COUNTS = ("n", "is_subset", "n_error", "n_truncated", "n_fallback")
_WORLD_KEYS = ("right", "opened", "by_split", "by_attribute", "num_missing", "num_unreadable")
_DRAWN_KEYS = ("stamp", "extractor", "clip", "reference", "real_pixels_sha256", "image_size_px")
_BENCHMARK_KEYS = ("title", "headline", "num_items", "subgroups", "beside")
_KEYS = {
    WORLD: _WORLD_KEYS,
    DRAWN: ("metrics", *_COUNTS, *_DRAWN_KEYS),
    **dict.fromkeys(TASKS, ("metrics", *_COUNTS, *_BENCHMARK_KEYS)),
}


def read_summary(folder: RunFolder) -> dict[str, Any]:
    """Task to figures; UserError for a summary that is not this release's."""
    summary = folder.summary()
    path = folder.summary_path
    if summary and not summary.keys() & _KEYS.keys():
        raise UserError(
            f"{path}: {', '.join(list(summary)[:3])} found, scores of benchmarks or drawings "
            "expected. Give the folder of a scored run."
        )
    for task in summary.keys() & _KEYS.keys():
        figures = summary[task]
        keys = figures.keys() if isinstance(figures, dict) else ()
        missing = next((key for key in _KEYS[task] if key not in keys), None)
        if missing is not None:
            raise UserError(
                f"{path}: no `{missing}` of {task} found, the figures of this release expected. "
                f"Take the key {task} out, and score again into this folder."
            )
    return summary


def read_runs(paths: Sequence[Path]) -> list[ScoredRun]:
    """UserError for no run, one without scores, or two of one name."""
    if not paths:
        raise UserError("no run found, at least one folder expected. Run `vargpt-eval report RUN`.")
    runs = []
    for path in paths:
        folder = open_run(path)
        runs.append(ScoredRun(path.resolve().name, folder, folder.run(), read_summary(folder)))
    names = [run.name for run in runs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(
            f"two runs named {twice[0]!r} found, a name of its own for each expected. "
            "Rename one of the folders."
        )
    return runs
