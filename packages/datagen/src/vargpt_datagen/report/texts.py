"""The report's figures about text: lengths, variety, and what is kept of the captions."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.build_rows import seeded_numbers
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
from vargpt_schema import IMAGE_GEN, INSTRUCT
from vargpt_schema.compute import pc

MAX_MEASURED_ROWS = 200_000  # of larger builds a seeded sample is measured
_TOP_CAPTIONS = 20


class Columns(NamedTuple):
    """Texts of all rows."""

    prompts: pa.ChunkedArray
    answers: pa.ChunkedArray  # without the placeholder of the picture
    captions: pa.ChunkedArray


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


def read_columns(folder: Path) -> Columns:
    """First and last turn of every row, and the captions; one shard at a time, to save memory."""
    shards = [
        _columns(INSTRUCT.read(file, ["messages", "caption"])) for file in INSTRUCT.files(folder)
    ]
    return Columns(*map(pa.chunked_array, zip(*shards, strict=True)))


def measure_texts(columns: Columns) -> Texts:
    """All figures; distinct texts and repeats over all rows, the rest over the measured ones."""
    num_rows = len(columns.prompts)
    measured = columns
    if num_rows > MAX_MEASURED_ROWS:
        numbers = pa.array(seeded_numbers(num_rows, MAX_MEASURED_ROWS, seed=0))
        measured = Columns(*(column.take(numbers) for column in columns))
    prompts, answers, captions = words_of(*measured)
    sides = [
        _side("Requests", columns.prompts, prompts, captions),
        _side("Answers", columns.answers, answers, captions),
    ]
    columns_of_words = {"Request": prompts, "Answer": answers, "Caption": captions}
    return Texts(
        measured_rows=len(measured.prompts),
        all_rows=num_rows,
        lengths=[_lengths(title, words) for title, words in columns_of_words.items()],
        sides=sides,
        repeats=_repeats(columns.captions),
    )


def _columns(table: pa.Table) -> tuple[pa.Array, pa.Array, pa.Array]:
    table = table.combine_chunks()
    messages = table.column("messages").combine_chunks()
    contents = pc.struct_field(pc.list_flatten(messages), "content")
    lengths = pc.list_value_length(messages)
    ends = pc.cumulative_sum(lengths)
    last = contents.take(pc.subtract(ends, 1))
    answers = pc.utf8_rtrim_whitespace(pc.replace_substring(last, IMAGE_GEN, ""))
    prompts = contents.take(pc.subtract(ends, lengths))
    return prompts, answers, table.column("caption").combine_chunks()


def _side(title: str, texts: pa.ChunkedArray, words: Words, captions: Words) -> Side:
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
    )


def _lengths(title: str, words: Words) -> Lengths:
    low, median, high = np.percentile(words.lengths, (5, 50, 95), method="nearest").tolist()
    return Lengths(length_plot(title, words.lengths), int(median), int(low), int(high))


def _repeats(captions: pa.ChunkedArray) -> Repeats:
    counted = pc.value_counts(pc.drop_null(captions))
    counts = counted.field("counts").to_numpy()
    repeated = counted.filter(pc.greater(counted.field("counts"), 1)).to_pylist()
    repeated.sort(key=lambda item: (-item["counts"], item["values"]))
    return Repeats(
        distinct=len(counts),
        repeated_rows_frac=float(counts[counts > 1].sum()) / max(len(captions), 1),
        top=[Counted(item["values"], item["counts"]) for item in repeated[:_TOP_CAPTIONS]],
    )
