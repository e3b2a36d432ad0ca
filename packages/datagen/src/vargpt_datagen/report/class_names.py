"""How many rows name the class of their image, and how much of its name they keep.

R rows    P pairs of a row and one of its class's names ("tench, Tinca tinca" is two names)
"""

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.imagenet_classes import class_names_of
from vargpt_datagen.report.words import Words, is_among, words_of
from vargpt_schema import world
from vargpt_schema.compute import pc


class ClassRecall(NamedTuple):
    """One text column against the class names of its rows."""

    named_frac: float  # rows that hold every word of one of the names, by stem
    word_recall_mean: float  # share of a name's words that a row holds, of its best name


def class_names(labels: pa.Array, wnids: pa.Array, sources: pa.Array) -> pa.Array:
    """(R,) name of each row's class; null where its source is neither ImageNet nor the world."""
    of_imagenet = pc.cast(class_names_of(wnids), pa.string())
    names = pa.array([world.class_name(label) for label in range(world.NUM_CLASSES)])
    is_known = pc.and_(pc.greater_equal(labels, 0), pc.less(labels, world.NUM_CLASSES))
    of_world = names.take(pc.if_else(is_known, labels, None))
    return pc.if_else(pc.equal(sources, "world"), of_world, of_imagenet)


def class_recalls(names: pa.Array, columns: Sequence[pa.Array]) -> list[ClassRecall] | None:
    """Recall of each text column, over the rows whose class has a name; None without any."""
    kept = pc.is_valid(names)
    coded = names.filter(kept).dictionary_encode()
    if len(coded) == 0:
        return None
    lemmas = [
        [lemma.strip() for lemma in name.split(",") if lemma.strip()] or [name]
        for name in coded.dictionary.to_pylist()
    ]
    num_lemmas = np.array([len(each) for each in lemmas], np.int64)
    *texts, lemma_words = words_of(
        *(column.filter(kept) for column in columns), pa.array([*chain(*lemmas)], pa.string())
    )
    classes = coded.indices.to_numpy().astype(np.int64)
    rows, members = _ragged(num_lemmas[classes])
    pairs = (np.cumsum(num_lemmas) - num_lemmas)[classes][rows] + members  # (P,) which lemma
    return [_recall(text, lemma_words, rows, pairs) for text in texts]


def _recall(text: Words, lemmas: Words, rows: np.ndarray, pairs: np.ndarray) -> ClassRecall:
    num_words = lemmas.lengths
    starts = np.cumsum(num_words) - num_words
    pair, place = _ragged(num_words[pairs])
    stems = text.vocabulary.stem_ids[lemmas.ids[starts[pairs[pair]] + place]]
    keys = rows[pair] * len(text.vocabulary) + stems
    is_held = is_among(keys, np.sort(text.stem_keys()))
    held = np.bincount(pair, weights=is_held, minlength=len(pairs))
    shares = held / np.maximum(num_words[pairs], 1)
    best = np.zeros(text.num_rows)
    np.maximum.at(best, rows, shares)
    return ClassRecall(float(np.mean(best == 1)), float(best.mean()))


def _ragged(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of rows with so many members: the row of each member, and its place in the row."""
    rows = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.cumsum(lengths) - lengths
    return rows, np.arange(len(rows)) - starts[rows]
