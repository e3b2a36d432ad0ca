"""The benchmark manifest: one data file that says where rows are and how they are asked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from vargpt_eval.benchmark.prompts import PROMPTS, Row
from vargpt_eval.scoring.item_row import as_value_error, numbered_ids
from vargpt_eval.scoring.profile import PROFILES, Profile
from vargpt_eval.scoring.task import TASKS, Task
from vargpt_schema import UserError


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """Where the rows of a benchmark lie, and how a row is asked."""

    name: str  # lmms-eval's task
    folder: str  # below --data
    hub: tuple[str, ...]  # data set ids, the newer last
    config: str | None
    split: str
    files: str  # pattern below the folder
    prompt: str  # key of PROMPTS
    max_new_tokens: tuple[int, ...]  # by profile, in the order of PROFILES
    image_files: str | None = None  # where images are in files of their own
    image_key: str | None = None  # column that names a row's image there
    id_column: str | None = None  # of a benchmark that is answered but not scored
    num_items: int | None = None  # of such a one

    @property
    def task(self) -> Task | None:
        """How its answers are scored; None where a reader judges."""
        return TASKS.get(self.name)

    @property
    def num_rows(self) -> int | None:
        """Of the whole split; None where any number is whole."""
        return self.num_items if self.task is None else self.task.num_items

    def ids(self, rows: Sequence[Row]) -> list[str]:
        """One sample id a row, in the data set's order. KeyError without the id column."""
        return numbered_ids(rows, self.id_column) if self.task is None else self.task.ids(rows)

    def prompt_of(self, row: Row) -> str:
        """What a model is asked; ValueError says what the row lacks."""
        with as_value_error():
            return PROMPTS[self.prompt](row)

    def max_new_tokens_of(self, profile: Profile) -> int:
        """The length at which lmms-eval's release of this profile cuts an answer off."""
        return self.max_new_tokens[PROFILES.index(profile)]

    def how_to_get(self, data: Path) -> str:
        """The command that fetches it."""
        if not self.hub:
            return f"datagen world --for EVAL_BUILD --size PX --out {data}"
        return f"hf download {self.hub[-1]} --repo-type dataset --local-dir {data / self.folder}"


@lru_cache(maxsize=1)
def benchmarks() -> dict[str, Benchmark]:
    """By lmms-eval's name, in the order of the file."""
    text = (files("vargpt_eval") / "benchmark" / "benchmarks.json").read_text("utf-8")
    held: dict[str, Any] = json.loads(text)
    return {name: _benchmark(name, entry) for name, entry in held.items() if name != "about"}


def benchmark_named(name: str, option: str = "--tasks") -> Benchmark:
    """UserError with the known names for any other."""
    if name not in benchmarks():
        raise UserError(
            f"{option} {name}: no benchmark of this name, one of {', '.join(benchmarks())} "
            "expected. Take a name from this list; --tasks takes several, commas between."
        )
    return benchmarks()[name]


def _benchmark(name: str, entry: dict[str, Any]) -> Benchmark:
    lists = {key: tuple(entry[key]) for key in ("hub", "max_new_tokens")}
    return Benchmark(name=name, **{**entry, **lists})
