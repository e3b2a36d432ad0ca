"""Scores of one row of an ablation: folders with a subfolder a seed, each of one or more runs.

A subfolder may also be a model of `vargpt train`: the end of its loss is a figure too, which tells
models apart whose drawings are all wrong.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_eval.answers_file import json_lines
from vargpt_eval.paper import PaperTable, as_printed
from vargpt_eval.run_folder import SUMMARY, RunFolder
from vargpt_schema import UserError

METRICS = "metrics.jsonl"
# Of a drawing score: what the report shows, in this order.
_DRAWN = ("background", "position", "colour", "size", "shape", "colour_and_shape")


class Figure(NamedTuple):
    """One number of a run, in the unit that is printed."""

    title: str
    is_better_high: bool
    value: float
    num_decimals: int = 1


class SeedScores(NamedTuple):
    """Seed, which is its folder's name, to its figures by title."""

    by_seed: dict[str, dict[str, Figure]]

    @property
    def titles(self) -> list[str]:
        """Figures that every seed has."""
        first, *others = self.by_seed.values()
        return [title for title in first if all(title in figures for figures in others)]


def read_seeds(folders: Sequence[Path], table: PaperTable) -> SeedScores:
    """UserError for folders without a scored seed. Hidden folders are none."""
    found: dict[str, dict[str, Figure]] = {}
    for folder in folders:
        for path in sorted(folder.glob(f"**/{SUMMARY}")):
            parts = path.relative_to(folder).parts
            if len(parts) > 1 and not any(part.startswith(".") for part in parts):
                figures = _read_figures(path, table)
                found.setdefault(parts[0], {}).update({one.title: one for one in figures})
        for path in sorted(folder.glob(f"*/{METRICS}")):
            for figure in _end_of_training(path):
                found.setdefault(path.parent.name, {})[figure.title] = figure
    if not found:
        raise UserError(
            f"{', '.join(map(str, folders))}: no scored run found, a subfolder for each seed with "
            f"a {SUMMARY} expected. Score the runs of each seed into a folder of its own: "
            "--out ROW/seed-0."
        )
    return SeedScores(dict(sorted(found.items())))


def _read_figures(summary: Path, table: PaperTable) -> list[Figure]:
    try:
        return _figures(RunFolder(summary.parent).summary(), table)
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"{summary}: not the figures of this release ({error}). Delete it, and score the run "
            "again."
        ) from error


def _end_of_training(metrics: Path) -> list[Figure]:
    """Mean loss of drawings over the last quarter of a stage's logged steps."""
    logged = (line.row.get("image_loss") for line in json_lines(metrics))
    losses = [loss for loss in logged if isinstance(loss, int | float)]
    if not losses:
        return []
    last = losses[-max(1, len(losses) // 4) :]
    mean = sum(last) / len(last)
    return [Figure("loss of drawings at the end of training", False, mean, num_decimals=3)]


def _figures(summary: dict[str, Any], table: PaperTable) -> list[Figure]:
    """The paper's own columns where a run has them, and those of the sample world."""
    found = []
    for column in table.columns:
        metrics = summary.get(column.task, {}).get("metrics", {})
        for metric, title in (
            (column.metric, column.title),
            (f"{column.metric}_random", f"{column.title} of a random network"),
        ):
            if metrics.get(metric, {}).get("value") is not None:
                value = as_printed(column, metrics[metric]["value"])
                found.append(Figure(title, column.is_better_high, value, num_decimals=3))
    if "world" in summary:
        world = summary["world"]
        found.append(_share("drawings, all that is named", world["right"]["value"]))
        opened = 1 - world["num_missing"] / world["right"]["n"]
        found.append(_share("drawings, an image opened", opened))
        named = {name: world["by_attribute"][name] for name in _DRAWN}
        found += [
            _share(f"drawings, {name.replace('_', ' ')}", figure["value"])
            for name, figure in named.items()
            if figure["n"]
        ]
    if "world_questions" in summary:
        asked = summary["world_questions"]
        found.append(_share("questions, all", asked["metrics"]["accuracy"]["value"]))
        found += [
            _share(f"questions, {kind.rpartition('/')[2]}", figure["value"])
            for kind, figure in asked["subgroups"].items()
        ]
    return found


def _share(title: str, value: float) -> Figure:
    return Figure(title, is_better_high=True, value=100 * value)
