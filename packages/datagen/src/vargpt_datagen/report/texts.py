"""The report's figures about text: lengths, variety, and what is kept of the captions."""

from pathlib import Path
from typing import NamedTuple

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
from vargpt_schema import IMAGE_GEN, INSTRUCT
from vargpt_schema.compute import pc

MAX_MEASURED_ROWS = 50_000  # of larger builds a seeded sample is measured, of equal size for all
_TOP_CAPTIONS = 20


class Columns(NamedTuple):
    """Texts of all rows, and the classes of their images."""

    prompts: pa.ChunkedArray
    answers: pa.ChunkedArray | None  # without the placeholder of the picture; None: prompts alone
    captions: pa.ChunkedArray
    labels: pa.ChunkedArray | None = None  # None: the classes are not known
    wnids: pa.ChunkedArray | None = None
    sources: pa.ChunkedArray | None = None


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


def read_columns(folder: Path) -> Columns:
    """First and last turn of every row, caption and class; one shard at a time, for memory."""
    table = table_of(folder)
    has_answers = table is INSTRUCT
    texts = ["messages"] if has_answers else ["prompt"]
    shards: list[list[pa.Array]] = []
    for file in table.files(folder):
        found = table.read(file, [*texts, "caption", "label", "wnid", "source"]).combine_chunks()
        sides = _turns(found) if has_answers else (combined(found, "prompt"), pa.nulls(0))
        others = (combined(found, name) for name in ("caption", "label", "wnid", "source"))
        shards.append([*sides, *others])
    prompts, answers, *others = map(pa.chunked_array, zip(*shards, strict=True))
    return Columns(prompts, answers if has_answers else None, *others)


def measure_texts(columns: Columns) -> Texts:
    """All figures; distinct texts and repeats over all rows, the rest over the measured ones."""
    num_rows = len(columns.prompts)
    measured = columns
    if num_rows > MAX_MEASURED_ROWS:
        numbers = pa.array(seeded_numbers(num_rows, MAX_MEASURED_ROWS, seed=0))
        measured = Columns(*(None if each is None else each.take(numbers) for each in columns))
    columns_by_title = {"Requests": (columns.prompts, measured.prompts)}
    if columns.answers is not None and measured.answers is not None:
        columns_by_title["Answers"] = (columns.answers, measured.answers)
    texts = [text for _, text in columns_by_title.values()]
    class_recall = _class_recalls(measured, [*texts, measured.captions])
    *words, captions = words_of(*texts, measured.captions)
    sides = [
        _side(title, everywhere, of_side, captions, class_recall[number] if class_recall else None)
        for number, ((title, (everywhere, _)), of_side) in enumerate(
            zip(columns_by_title.items(), words, strict=True)
        )
    ]
    titles = ("Request", "Answer")[: len(words)]
    columns_of_words = dict(zip((*titles, "Caption"), (*words, captions), strict=True))
    return Texts(
        measured_rows=len(measured.prompts),
        all_rows=num_rows,
        lengths=[_lengths(title, found) for title, found in columns_of_words.items()],
        sides=sides,
        repeats=_repeats(columns.captions),
        caption_class_recall=class_recall[-1] if class_recall else None,
    )


def _class_recalls(columns: Columns, texts: list[pa.ChunkedArray]) -> list[ClassRecall] | None:
    if columns.labels is None or columns.wnids is None or columns.sources is None:
        return None
    names = class_names(_one(columns.labels), _one(columns.wnids), _one(columns.sources))
    return class_recalls(names, list(map(_one, texts)))


def _one(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks)


def _turns(table: pa.Table) -> tuple[pa.Array, pa.Array]:
    """First and last turn of each row, the latter without the placeholder of its picture."""
    messages = combined(table, "messages")
    contents = pc.struct_field(pc.list_flatten(messages), "content")
    lengths = pc.list_value_length(messages)
    ends = pc.cumulative_sum(lengths)
    last = contents.take(pc.subtract(ends, 1))
    answers = pc.utf8_rtrim_whitespace(pc.replace_substring(last, IMAGE_GEN, ""))
    return contents.take(pc.subtract(ends, lengths)), answers


def _side(
    title: str,
    texts: pa.ChunkedArray,
    words: Words,
    captions: Words,
    class_recall: ClassRecall | None,
) -> Side:
    shares = recall(words, captions)
    distinct = pc.count_distinct(texts).as_py()
    return Side(
        title=title,
        distinct=distinct,
        distinct_frac=distinct / len(texts),
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
