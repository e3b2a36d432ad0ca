"""Items from the rows of the hub's data sets, by the columns that the hub has."""

import ast
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from vargpt_eval.scoring.item import BenchmarkItem
from vargpt_eval.scoring.mmbench import ROTATION_STEP

Row = Mapping[str, Any]


@contextmanager
def as_value_error() -> Iterator[None]:
    """Around reading a row: what is missing or of another form in it is a ValueError that says so.

    The data sets' columns are checked nowhere else.
    """
    try:
        yield
    except KeyError as error:
        raise ValueError(f"column {error} not found") from error
    except (AttributeError, SyntaxError, TypeError) as error:
        raise ValueError(f"a value of another form ({error})") from error


def vqa_item(row: Row, sample_id: str) -> BenchmarkItem:
    """TextVQA, OK-VQA, VizWiz, VQAv2: `answers` are texts, or structs with `answer`."""
    answers = row["answers"] or ()
    texts = [answer["answer"] if isinstance(answer, Mapping) else answer for answer in answers]
    kind = row.get("answer_type")
    return BenchmarkItem(
        sample_id=sample_id,
        cluster_id=str(row.get("image_id", sample_id)),
        targets=tuple(texts),
        categories=(str(kind),) if kind else (),
    )


def gqa_item(row: Row, sample_id: str) -> BenchmarkItem:
    """The image is what the bootstrap draws."""
    return BenchmarkItem(
        sample_id=sample_id,
        cluster_id=str(row.get("imageId", sample_id)),
        targets=(row["answer"],),
    )


def world_question_item(row: Row, sample_id: str) -> BenchmarkItem:
    """A question about a drawn scene; its picture is what the bootstrap draws."""
    return BenchmarkItem(
        sample_id=sample_id,
        cluster_id=row["image_id"],
        targets=(row["answer"],),
        categories=(row["kind"],),
    )


def pope_item(row: Row, sample_id: str) -> BenchmarkItem:
    """`answer` is yes or no in any case; ValueError for another."""
    return BenchmarkItem(
        sample_id=sample_id,
        cluster_id=str(row.get("image_source", sample_id)),
        targets=(_yes_or_no(row["answer"].lower().strip()),),
    )


def mme_item(row: Row, sample_id: str) -> BenchmarkItem:
    """Two rows share a `question_id`: they ask about one image."""
    return BenchmarkItem(
        sample_id=sample_id,
        cluster_id=f"{row['category']} {row['question_id']}",
        targets=(_yes_or_no(row["answer"].lower().strip().replace(".", "")),),
        categories=(row["category"],),
    )


def seed_item(row: Row, sample_id: str) -> BenchmarkItem:
    """`data_type` tells image questions from video ones."""
    return BenchmarkItem(
        sample_id=sample_id,
        cluster_id=sample_id,
        targets=(row["answer"],),
        categories=(row["data_type"],),  # image or video
    )


def scienceqa_item(row: Row, sample_id: str) -> BenchmarkItem:
    """`answer` is an index of `choices`, here a letter; ValueError for one beyond them."""
    options = tuple(row["choices"])
    answer = row["answer"]
    if not 0 <= answer < len(options):
        raise ValueError(f"answer {answer} is no index of its {len(options)} choices")
    subject = row.get("subject")
    return BenchmarkItem(
        sample_id=sample_id,
        cluster_id=sample_id,
        targets=(chr(ord("A") + answer),),
        options=options,
        categories=(subject,) if subject else (),
    )


def mmmu_item(row: Row, sample_id: str) -> BenchmarkItem:
    """`options` is a Python list in text on the hub."""
    options: Any = ()
    if row["question_type"] == "multiple-choice":
        options = row["options"]
        options = ast.literal_eval(options) if isinstance(options, str) else options
    answer = row["answer"]
    return BenchmarkItem(
        sample_id=sample_id,
        cluster_id=sample_id,
        targets=tuple(answer) if isinstance(answer, list) else (answer,),
        options=tuple(str(option) for option in options),
        categories=(_subject(row["id"]),),
    )


def mmbench_item(row: Row, sample_id: str) -> BenchmarkItem:
    """All rotations of a question share `index` modulo a million."""
    if not sample_id.isdecimal():
        raise ValueError(f"index {sample_id!r} is no whole number")
    question = int(sample_id) % ROTATION_STEP
    return BenchmarkItem(
        sample_id=sample_id,
        cluster_id=str(question),
        targets=(row["answer"],),
        options=tuple(_option(row.get(letter)) for letter in "ABCD"),
        categories=(row["L2-category"], row["category"]),
    )


def numbered_ids(rows: Iterable[Row], id_column: str | None) -> list[str]:
    """One id a row: the id column's value, or the row's number where the data set has none."""
    if id_column is None:
        return [str(number) for number, _ in enumerate(rows)]
    return [str(row[id_column]) for row in rows]


def paired_ids(rows: Iterable[Row]) -> list[str]:
    """MME's question ids with the number of the question about that image."""
    seen: Counter[str] = Counter()
    ids = []
    for row in rows:
        name = f"{row['category']} {row['question_id']}"
        seen[name] += 1
        ids.append(f"{name} #{seen[name]}")
    return ids


def target_text(item: BenchmarkItem) -> str:
    """What was expected, for the samples table: a JSON list where there are several answers."""
    if len(item.targets) == 1:
        return item.targets[0]
    return json.dumps(item.targets, ensure_ascii=False)


def _yes_or_no(answer: str) -> str:
    if answer not in ("yes", "no"):
        raise ValueError(f"answer {answer!r} is neither yes nor no")
    return answer


def _subject(mmmu_id: str) -> str:
    """`validation_Art_Theory_12` -> `Art_Theory`."""
    parts = mmmu_id.split("_")
    if len(parts) < 3 or not parts[-1].isdigit():
        raise ValueError(f"id {mmmu_id!r} is not of the form SPLIT_SUBJECT_NUMBER")
    return "_".join(parts[1:-1])


def _option(value: Any) -> str | None:
    """None for a missing option, which some readers give as the float nan."""
    return None if value is None or value != value else str(value)


ItemReader = Callable[[Row, str], BenchmarkItem]
