"""The paper's Tables 1, 3, 4 and 5 (arXiv 2501.12327v1), and where a run's figures belong in them.

Shares are in percent, as printed; None is printed as a dash. MME is perception alone and SEED its
image questions (both inferred from the size of the numbers); MMBench is dev (en) by the text and
test by the caption of Table 1.
"""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

VARGPT = "VARGPT (7B+2B)"
LLAVA = "LLaVA-1.5-hf (7B)"  # the row to calibrate by: its weights are public


class Column(NamedTuple):
    """A column of the tables, and the figure of a run that belongs in it."""

    key: str  # in the tables' file
    title: str
    task: str  # of a run's summary
    metric: str
    is_percent: bool
    is_better_high: bool = True


_COLUMNS = (
    Column("mmbench", "MMBench", "mmbench_en_dev", "accuracy", is_percent=True),
    Column("seed", "SEED", "seedbench", "seed_image", is_percent=True),
    Column("mmmu", "MMMU", "mmmu_val", "accuracy", is_percent=True),
    Column("pope_adv", "POPE adv", "pope_adv", "accuracy", is_percent=True),
    Column("pope_pop", "POPE pop", "pope_pop", "accuracy", is_percent=True),
    Column("pope_rand", "POPE rand", "pope_random", "accuracy", is_percent=True),
    Column("mme", "MME", "mme", "perception", is_percent=False),
    Column("gqa", "GQA", "gqa", "accuracy", is_percent=True),
    Column("textvqa", "TextVQA", "textvqa_val", "accuracy", is_percent=True),
    Column("vqav2", "VQAv2", "vqav2_val", "accuracy", is_percent=True),
    Column("sciqa_img", "SciQA-img", "scienceqa_img", "accuracy", is_percent=True),
    Column("okvqa", "OKVQA", "ok_vqa_val2014", "accuracy", is_percent=True),
    Column("vizwizqa", "VizWizQA", "vizwiz_vqa_val", "accuracy", is_percent=True),
    Column("fid", "FID", "gen_metrics", "fid", is_percent=False, is_better_high=False),
    Column("clip", "CLIP", "gen_metrics", "clip_score", is_percent=False),
)
COLUMNS: dict[str, Column] = {column.key: column for column in _COLUMNS}


class PaperRow(NamedTuple):
    """A model or setting, as printed."""

    name: str
    llm: str | None
    generates: bool | None
    values: dict[str, float | None]  # by column key


class PaperTable(NamedTuple):
    """One table, its columns and rows in the order of the paper."""

    number: int
    columns: list[Column]
    rows: list[PaperRow]

    def row(self, name: str) -> PaperRow:
        """StopIteration for a name that the table lacks."""
        return next(row for row in self.rows if row.name == name)


@lru_cache(maxsize=1)
def paper_tables() -> dict[int, PaperTable]:
    """Tables 1, 3, 4 and 5 by number."""
    held = json.loads((files("vargpt_eval") / "paper_tables.json").read_text("utf-8"))
    return {number: _table(number, held[f"table{number}"]) for number in (1, 3, 4, 5)}


def paper_value(row: str, task: str, metric: str) -> float | None:
    """What Table 1 or 3 prints for a model, in the run's own unit; None where nothing."""
    for number in (1, 3):
        for column in paper_tables()[number].columns:
            if (column.task, column.metric) == (task, metric):
                value = paper_tables()[number].row(row).values[column.key]
                return None if value is None else in_run_unit(column, value)
    return None


def in_run_unit(column: Column, printed: float) -> float:
    """Percent -> share of 1; points as they are."""
    return printed / 100 if column.is_percent else printed


def as_printed(column: Column, value: float) -> float:
    """Share of 1 -> percent; points as they are."""
    return value * 100 if column.is_percent else value


def _table(number: int, held: dict[str, Any]) -> PaperTable:
    keys: list[str] = held["columns"]
    rows = []
    for name, values in held["rows"].items():
        named = dict(zip(keys, values, strict=True))
        llm, generates = named.pop("llm", None), named.pop("generates", None)
        rows.append(PaperRow(name, llm, generates, named))
    columns = [COLUMNS[key] for key in keys if key in COLUMNS]
    return PaperTable(number, columns, rows)
