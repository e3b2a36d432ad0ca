"""Texts as arrays of word numbers, so that 130,000 rows are measured in a second.

T words of all rows in order    R rows    V words of the vocabulary
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_schema.compute import pc

_FUNCTION_WORDS = """
a an the this that these those some any and or but of in on at to from by with without for as into
onto over under near next is are was were be been being am it its it's there there's here here's he
she they them his her their i i'd i'm i've me my we our you your do does did can could will would
shall should may might must has have had having not no so if then than please just up out off which
who
"""
# Words that carry form and not content: a text may keep or change them freely.
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())
_ROWS_AT_ONCE = 20_000
_NOT_WORD = r"[^\p{L}\p{N}']+"


class Vocabulary:
    """The distinct words of several columns, with what is known of each."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.is_function = np.array([word in FUNCTION_WORDS for word in words], bool)  # (V,)
        stems: dict[str, int] = {}
        self.stem_ids = np.array(  # (V,) words of one stem have one number
            [stems.setdefault(stem(word), len(stems)) for word in words], np.int64
        )

    def __len__(self) -> int:
        return len(self.words)


class Words:
    """The words of one text column."""

    def __init__(
        self, ids: np.ndarray, rows: np.ndarray, num_rows: int, vocabulary: Vocabulary
    ) -> None:
        self.ids = ids  # (T,) int32
        self.rows = rows  # (T,) int32, ascending
        self.num_rows = num_rows
        self.vocabulary = vocabulary

    @property
    def lengths(self) -> np.ndarray:
        """(R,) words of each row."""
        return np.bincount(self.rows, minlength=self.num_rows)

    @property
    def is_content(self) -> np.ndarray:
        """(T,) bool."""
        return ~self.vocabulary.is_function[self.ids]

    def stem_keys(self) -> np.ndarray:
        """(T,) row and stem as one number, equal for equal stems of a row."""
        keys = self.rows.astype(np.int64)
        keys *= len(self.vocabulary)
        keys += self.vocabulary.stem_ids[self.ids]
        return keys

    def parts(self) -> Iterator["Words"]:
        """The same, some rows at a time: what is worked out for a part takes little memory."""
        for start in range(0, self.num_rows, _ROWS_AT_ONCE):
            stop = min(start + _ROWS_AT_ONCE, self.num_rows)
            low, high = np.searchsorted(self.rows, (start, stop))
            rows = self.rows[low:high] - start
            yield Words(self.ids[low:high], rows, stop - start, self.vocabulary)

    def content_keys(self) -> np.ndarray:
        """Distinct stem keys of content words, ascending."""
        return distinct_sorted(self.stem_keys()[self.is_content])


class _Column(NamedTuple):
    ids: np.ndarray
    rows: np.ndarray
    num_rows: int


def words_of(*columns: pa.Array | pa.ChunkedArray) -> tuple[Words, ...]:
    """Each text column as words, lower-case and without punctuation, over one vocabulary."""
    numbers: dict[str, int] = {}
    numbered = [_numbered(column, numbers) for column in columns]
    vocabulary = Vocabulary(list(numbers))
    return tuple(Words(*column, vocabulary) for column in numbered)


def distinct_sorted(keys: np.ndarray) -> np.ndarray:
    """As np.unique, but by sorting: numpy's hash is slow on keys as regular as these."""
    keys = np.sort(keys)
    return keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]


def is_among(keys: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    """Which of `keys` occur in the sorted array."""
    if not len(ascending):
        return np.zeros(len(keys), bool)
    places = np.searchsorted(ascending, keys)
    np.minimum(places, len(ascending) - 1, out=places)
    return ascending[places] == keys


def stem(word: str) -> str:
    """A word without its endings -s, -es, -ed, -ing, so that forms of one word meet.

    A rule of thumb, not a dictionary: "sitting" and "sits" meet, "ran" and "runs" do not.
    """
    word = word.removesuffix("'s")
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    word = word.removesuffix("e") if len(word) > 3 else word
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


def _numbered(column: pa.Array | pa.ChunkedArray, numbers: dict[str, int]) -> _Column:
    """Words as numbers, new ones added to `numbers`; some rows at a time, to save memory."""
    ids: list[np.ndarray] = [np.empty(0, np.int32)]
    rows: list[np.ndarray] = [np.empty(0, np.int32)]
    for start in range(0, len(column), _ROWS_AT_ONCE):
        part = pc.fill_null(column.slice(start, _ROWS_AT_ONCE), "")
        plain = pc.replace_substring_regex(pc.utf8_lower(part), _NOT_WORD, " ")
        lists = pc.utf8_split_whitespace(plain)
        if isinstance(lists, pa.ChunkedArray):
            lists = lists.combine_chunks()
        encoded = pc.list_flatten(lists).dictionary_encode()
        found = [word.strip("'") for word in encoded.dictionary.to_pylist()]
        known = [numbers.setdefault(word, len(numbers)) if word else -1 for word in found]
        part_ids = np.array(known, np.int32)[encoded.indices.to_numpy()]
        part_rows = pc.list_parent_indices(lists).to_numpy() + start
        ids.append(part_ids[part_ids >= 0])
        rows.append(part_rows[part_ids >= 0].astype(np.int32))
    return _Column(np.concatenate(ids), np.concatenate(rows), len(column))
