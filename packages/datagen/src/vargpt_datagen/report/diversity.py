"""How varied the texts of a build are, and how much of the caption they keep."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.report.words import Words, distinct_sorted, is_among
from vargpt_schema.compute import pc

SLOT = "\u2026"  # stands for the caption's words in a delexicalised form
_OPENING_WORDS = 3


class Counted(NamedTuple):
    """One text and the rows it occurs in."""

    text: str
    rows: int


class Openings(NamedTuple):
    """First three words of the rows."""

    distinct: int
    entropy_bits: float
    top: list[Counted]

    @property
    def equally_common(self) -> float:
        """As varied as this many equally frequent openings."""
        return float(2**self.entropy_bits)


class Forms(NamedTuple):
    """Texts with the caption's words masked."""

    distinct: int
    top: list[Counted]
    top_10_frac: float  # of the rows
    largest_frac: float


def distinct_ngram_frac(words: Words, n: int) -> float:
    """Distinct n-grams over all n-grams, none across two rows ("distinct-n"); 0 without any."""
    size = len(words.vocabulary)
    count = max(len(words.ids) - n + 1, 0)
    keys = np.zeros(count, np.int64)
    for place in range(n):
        keys = keys * size + words.ids[place : place + count]
    inside = words.rows[:count] == words.rows[n - 1 : n - 1 + count]
    keys = keys[inside]
    return len(distinct_sorted(keys)) / len(keys) if len(keys) else 0.0


def openings(words: Words, top: int = 12) -> Openings:
    """How the rows begin."""
    starts = np.searchsorted(words.rows, np.arange(words.num_rows))
    size = len(words.vocabulary)
    none = size  # the number of "no word here"
    keys = np.zeros(words.num_rows, np.int64)
    padded_ids = np.append(words.ids, [none] * _OPENING_WORDS)
    padded_rows = np.append(words.rows, [-1] * _OPENING_WORDS)
    for place in range(_OPENING_WORDS):
        same_row = padded_rows[starts + place] == np.arange(words.num_rows)
        keys = keys * (size + 1) + np.where(same_row, padded_ids[starts + place], none)
    found, counts = np.unique(keys, return_counts=True)
    frac = counts / counts.sum()
    order = np.argsort(-counts, kind="stable")[:top]
    return Openings(
        distinct=len(found),
        entropy_bits=float(-(frac * np.log2(frac)).sum()) + 0.0,
        top=[Counted(_opening_text(int(found[at]), words), int(counts[at])) for at in order],
    )


def forms(text: Words, caption: Words, top: int = 10) -> Forms:
    """The texts with the caption's words masked: what is left is the writer's own form.

    A content word whose stem is among the caption's is masked. So are function words between two
    masked ones and an article before one, and a run of masks is one slot.
    """
    masked = [_masked(*parts) for parts in zip(text.parts(), caption.parts(), strict=True)]
    return _counted_forms(pa.chunked_array(masked, pa.string()), top)


def recall(text: Words, caption: Words) -> np.ndarray:
    """Share of the caption's distinct content stems that come again; rows without any left out."""
    shares = [_recall(*parts) for parts in zip(text.parts(), caption.parts(), strict=True)]
    return np.concatenate(shares)


def _masked(text: Words, caption: Words) -> pa.Array:
    """(R,) the rows' forms."""
    is_masked = text.is_content & is_among(text.stem_keys(), caption.content_keys())
    is_masked |= _function_words_between(text, is_masked)
    is_masked |= _articles_before(text, is_masked)
    starts_row = np.append(True, text.rows[1:] != text.rows[:-1])[: len(text.rows)]
    continues_slot = is_masked & np.append(False, is_masked[:-1])[: len(is_masked)] & ~starts_row
    kept = ~continues_slot
    ids = np.where(is_masked, np.int32(len(text.vocabulary)), text.ids)[kept]
    lengths = np.bincount(text.rows[kept], minlength=text.num_rows)
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int32)
    words = pa.array([*text.vocabulary.words, SLOT], pa.string()).take(pa.array(ids))
    return pc.binary_join(pa.ListArray.from_arrays(offsets, words), " ")


def _opening_text(key: int, words: Words) -> str:
    ids: list[int] = []
    for _ in range(_OPENING_WORDS):
        key, word_id = divmod(key, len(words.vocabulary) + 1)
        ids.append(word_id)
    known = [words.vocabulary.words[at] for at in reversed(ids) if at < len(words.vocabulary)]
    return " ".join(known)


def _recall(text: Words, caption: Words) -> np.ndarray:
    wanted = caption.content_keys()
    rows = wanted // len(caption.vocabulary)
    is_found = is_among(wanted, np.sort(text.stem_keys()))
    totals = np.bincount(rows, minlength=caption.num_rows)
    found = np.bincount(rows, weights=is_found, minlength=caption.num_rows)
    return found[totals > 0] / totals[totals > 0]


def _function_words_between(text: Words, is_masked: np.ndarray) -> np.ndarray:
    is_content = text.is_content
    places = np.arange(len(text.ids), dtype=np.int32)
    before = np.maximum.accumulate(np.where(is_content, places, np.int32(-1)))
    after = np.where(is_content, places, np.int32(len(places)))
    after = np.minimum.accumulate(after[::-1])[::-1]
    is_inside = ~is_content & (before >= 0) & (after < len(places))
    at = places[is_inside]
    first, last = before[at], after[at]
    same_row = (text.rows[first] == text.rows[at]) & (text.rows[last] == text.rows[at])
    is_between = np.zeros(len(places), bool)
    is_between[at] = same_row & is_masked[first] & is_masked[last]
    return is_between


def _articles_before(text: Words, is_masked: np.ndarray) -> np.ndarray:
    articles = np.array([word in ("a", "an", "the") for word in text.vocabulary.words], bool)
    is_before = np.zeros(len(text.ids), bool)
    is_before[:-1] = articles[text.ids[:-1]] & is_masked[1:] & (text.rows[:-1] == text.rows[1:])
    return is_before


def _counted_forms(texts: pa.ChunkedArray, top: int) -> Forms:
    counted = pc.value_counts(texts)
    counts = counted.field("counts").to_numpy()
    order = np.argsort(-counts, kind="stable")[: max(top, 10)]
    names = counted.field("values").take(pa.array(order)).to_pylist()
    return Forms(
        distinct=len(counts),
        top=[Counted(*pair) for pair in zip(names, counts[order].tolist(), strict=True)][:top],
        top_10_frac=float(counts[order[:10]].sum() / len(texts)),
        largest_frac=float(counts[order[0]] / len(texts)),
    )
