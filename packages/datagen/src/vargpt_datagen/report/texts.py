"""The report's figures about text: lengths, variety, and what is kept of the captions."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.build_rows import seeded_numbers, table_of
from vargpt_datagen.report.class_names import ClassRecall, class_names, class_recalls
from vargpt_datagen.report.diversity import (
    Counted,
    Forms,
    Openings,
    distinct_ngram_frac,
    forms,
    openings,
    recall,
)
from vargpt_datagen.report.plots import Plot, length_plot, share_plot
from vargpt_datagen.report.words import Words, words_of
from vargpt_datagen.template_rows import combined
from vargpt_schema import IMAGE, IMAGE_GEN, INSTRUCT
from vargpt_schema.compute import pc

MAX_MEASURED_ROWS = 50_000  # of larger builds a seeded sample is measured, of equal size for all
_TOP_CAPTIONS = 20


# Columns that the figures are taken from. Each is read when it is needed and let go of after that:
# the texts of a million rows take a hundred megabytes a column.
Part = Literal["prompts", "answers", "captions", "label", "wnid", "source"]
ReadPart = Callable[[Part], pa.ChunkedArray | None]  # None: the build has no such column
_SIDES: dict[str, Part] = {"Requests": "prompts", "Answers": "answers"}


class Lengths(NamedTuple):
    plot: Plot
    median: int
    low: int  # 5 % of the rows are shorter
    high: int  # 5 % are longer


class Side(NamedTuple):
    """The request's texts, or the answers'."""

    title: str
    distinct: int  # of all rows
    distinct_frac: float
    ngram_fracs: tuple[float, float, float]  # distinct-1, -2, -3
    openings: Openings
    forms: Forms
    recall_mean: float | None  # None without captions
    recall_plot: Plot | None
    class_recall: ClassRecall | None  # None where no class has a known name


class Repeats(NamedTuple):
    """Captions that more than one image has."""

    distinct: int
    repeated_rows_frac: float  # rows whose caption another row has too
    top: list[Counted]


class Texts(NamedTuple):
    measured_rows: int
    all_rows: int
    lengths: list[Lengths]
    sides: list[Side]
    repeats: Repeats
    caption_class_recall: ClassRecall | None


def read_part(folder: Path, part: Part) -> pa.ChunkedArray | None:
    """One column of every row of a build or shard; texts without placeholders of pictures."""
    table = table_of(folder)
    if part == "answers" and table is not INSTRUCT:
        return None
    side = "messages" if table is INSTRUCT else "prompt"
    name = {"prompts": side, "answers": side, "captions": "caption"}.get(part, part)
    found: list[pa.Array] = []
    for file in table.files(folder):
        column = combined(table.read(file, [name]), name)
        if name == "messages":
            column = _first_turns(column) if part == "prompts" else _last_turns(column)
        found.append(column)
    return pa.chunked_array(found)


def measure_texts(read: ReadPart) -> Texts:
    """All figures; distinct texts and repeats over all rows, the rest over the measured ones."""
    measured: dict[str, pa.Array] = {}
    distinct: dict[str, int] = {}
    num_rows = 0
    for title, part in _SIDES.items():
        if (column := read(part)) is not None:
            distinct[title] = pc.count_distinct(column).as_py()
            measured[title] = _measured(column)
            num_rows = len(column)
        del column
    captions = read("captions")
    if captions is None:
        captions = pa.chunked_array([pa.nulls(num_rows, pa.string())])
    repeats = _repeats(captions)
    measured["Captions"] = _measured(captions)
    del captions
    recalls = _class_recalls(read, measured)
    words = dict(zip(measured, words_of(*measured.values()), strict=True))
    return Texts(
        measured_rows=len(measured["Captions"]),
        all_rows=num_rows,
        lengths=[_lengths(title.removesuffix("s"), found) for title, found in words.items()],
        sides=[
            _side(title, count, num_rows, words, recalls.get(title))
            for title, count in distinct.items()
        ],
        repeats=repeats,
        caption_class_recall=recalls.get("Captions"),
    )


def _measured(column: pa.ChunkedArray) -> pa.Array:
    """The seeded sample of a column, the same rows of every column."""
    if len(column) > MAX_MEASURED_ROWS:
        column = column.take(pa.array(seeded_numbers(len(column), MAX_MEASURED_ROWS, seed=0)))
    return pa.concat_arrays(column.chunks)


def _class_recalls(read: ReadPart, measured: Mapping[str, pa.Array]) -> dict[str, ClassRecall]:
    labels, wnids, sources = read("label"), read("wnid"), read("source")
    if labels is None or wnids is None or sources is None:
        return {}
    names = class_names(*map(_measured, (labels, wnids, sources)))
    found = class_recalls(names, list(measured.values()))
    return dict(zip(measured, found, strict=True)) if found else {}


def _first_turns(messages: pa.ListArray) -> pa.Array:
    lengths = pc.list_value_length(messages)
    first = _contents(messages).take(pc.subtract(pc.cumulative_sum(lengths), lengths))
    return _without(first, IMAGE)


def _last_turns(messages: pa.ListArray) -> pa.Array:
    ends = pc.cumulative_sum(pc.list_value_length(messages))
    return _without(_contents(messages).take(pc.subtract(ends, 1)), IMAGE_GEN)


def _without(texts: pa.Array, placeholder: str) -> pa.Array:
    return pc.utf8_trim_whitespace(pc.replace_substring(texts, placeholder, ""))


def _contents(messages: pa.ListArray) -> pa.Array:
    return pc.struct_field(pc.list_flatten(messages), "content")


def _side(
    title: str,
    distinct: int,
    num_rows: int,
    words_by_title: Mapping[str, Words],
    class_recall: ClassRecall | None,
) -> Side:
    words, captions = words_by_title[title], words_by_title["Captions"]
    shares = recall(words, captions)
    return Side(
        title=title,
        distinct=distinct,
        distinct_frac=distinct / num_rows,
        ngram_fracs=(
            distinct_ngram_frac(words, 1),
            distinct_ngram_frac(words, 2),
            distinct_ngram_frac(words, 3),
        ),
        openings=openings(words),
        forms=forms(words, captions),
        recall_mean=float(shares.mean()) if len(shares) else None,
        recall_plot=share_plot(title, shares) if len(shares) else None,
        class_recall=class_recall,
    )


def _lengths(title: str, words: Words) -> Lengths:
    low, median, high = np.percentile(words.lengths, (5, 50, 95), method="nearest").tolist()
    return Lengths(length_plot(title, words.lengths), int(median), int(low), int(high))


def _repeats(captions: pa.ChunkedArray) -> Repeats:
    counted = pc.value_counts(pc.drop_null(captions))
    counts = counted.field("counts").to_numpy()
    fewest = max(np.sort(counts)[-_TOP_CAPTIONS:][:1].tolist() or [0])
    most_frequent = counted.filter(pc.greater_equal(counted.field("counts"), max(fewest, 2)))
    repeated = most_frequent.to_pylist()
    repeated.sort(key=lambda item: (-item["counts"], item["values"]))
    return Repeats(
        distinct=len(counts),
        repeated_rows_frac=float(counts[counts > 1].sum()) / max(len(captions), 1),
        top=[Counted(item["values"], item["counts"]) for item in repeated[:_TOP_CAPTIONS]],
    )
