"""The benchmarks of the paper's Tables 1 and 3, and the sample world's questions.

Splits are those whose published LLaVA-1.5 numbers the paper's baseline row repeats; num_items are
the data sets' sizes, known from their publishers and not from a copy of the data.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from vargpt_eval.scoring.gqa import score_gqa
from vargpt_eval.scoring.item import BenchmarkItem, ItemScore
from vargpt_eval.scoring.item_row import (
    ItemReader,
    Row,
    as_value_error,
    gqa_item,
    mmbench_item,
    mme_item,
    mmmu_item,
    numbered_ids,
    paired_ids,
    pope_item,
    scienceqa_item,
    seed_item,
    vqa_item,
    world_question_item,
)
from vargpt_eval.scoring.mmbench import score_mmbench
from vargpt_eval.scoring.mme import score_mme
from vargpt_eval.scoring.mmmu import score_mmmu
from vargpt_eval.scoring.pope import score_pope
from vargpt_eval.scoring.profile import Profile
from vargpt_eval.scoring.scienceqa import score_scienceqa
from vargpt_eval.scoring.seed import score_seed
from vargpt_eval.scoring.vqa import score_vqa, score_vqav2
from vargpt_schema import UserError

Kind = Literal["mean", "seed", "mmmu", "pope", "mme", "mmbench"]  # how items become metrics


class Task(NamedTuple):
    """How the answers to one benchmark are read and summed up."""

    name: str  # lmms-eval's
    title: str
    num_items: int | None  # of the whole split; None where any number is whole
    kind: Kind
    headline: str  # the metric that the paper prints
    score: Callable[[str, BenchmarkItem, Profile], ItemScore]
    item: ItemReader
    id_column: str | None  # None: the data set has no ids

    def item_of(self, row: Row, sample_id: str) -> BenchmarkItem:
        """The row as its scorer needs it; ValueError says what it lacks."""
        with as_value_error():
            item = self.item(row, sample_id)
        if not all(isinstance(one, str) for one in item.targets):
            raise ValueError("no text answer")
        return item

    def ids(self, rows: Sequence[Row]) -> list[str]:
        """One sample id a row of the data set, in its order. KeyError without the id column."""
        if self.kind == "mme":
            return paired_ids(rows)
        return numbered_ids(rows, self.id_column)


# fmt: off
_ALL = (
    Task("mmbench_en_dev", "MMBench-dev (en)", 4_329, "mmbench", "accuracy", score_mmbench, mmbench_item, "index"),  # noqa: E501
    Task("seedbench", "SEED-Bench", 17_990, "seed", "seed_image", score_seed, seed_item, "question_id"),  # noqa: E501
    Task("mmmu_val", "MMMU val", 900, "mmmu", "accuracy", score_mmmu, mmmu_item, "id"),
    Task("pope_adv", "POPE adversarial", 3_000, "pope", "accuracy", score_pope, pope_item, "question_id"),  # noqa: E501
    Task("pope_pop", "POPE popular", 3_000, "pope", "accuracy", score_pope, pope_item, "question_id"),  # noqa: E501
    Task("pope_random", "POPE random", 3_000, "pope", "accuracy", score_pope, pope_item, "question_id"),  # noqa: E501
    Task("mme", "MME", 2_374, "mme", "perception", score_mme, mme_item, None),
    Task("gqa", "GQA testdev", 12_578, "mean", "accuracy", score_gqa, gqa_item, "id"),
    Task("textvqa_val", "TextVQA val", 5_000, "mean", "accuracy", score_vqa, vqa_item, "question_id"),  # noqa: E501
    Task("vqav2_val", "VQAv2 val", 214_354, "mean", "accuracy", score_vqav2, vqa_item, "question_id"),  # noqa: E501
    Task("scienceqa_img", "ScienceQA-IMG test", 2_017, "mean", "accuracy", score_scienceqa, scienceqa_item, None),  # noqa: E501
    Task("ok_vqa_val2014", "OK-VQA val2014", 5_046, "mean", "accuracy", score_vqa, vqa_item, "question_id"),  # noqa: E501
    Task("vizwiz_vqa_val", "VizWiz-VQA val", 4_319, "mean", "accuracy", score_vqa, vqa_item, "question_id"),  # noqa: E501
    Task("world_questions", "Sample world, questions", None, "mean", "accuracy", score_gqa, world_question_item, "id"),  # noqa: E501
)
# fmt: on
TASKS: dict[str, Task] = {task.name: task for task in _ALL}


def task_named(name: str) -> Task:
    """UserError with the known names for any other."""
    if name not in TASKS:
        raise UserError(
            f"--task {name}: no benchmark of this name, one of {', '.join(TASKS)} expected. "
            "Run `vargpt-eval score --help`."
        )
    return TASKS[name]
