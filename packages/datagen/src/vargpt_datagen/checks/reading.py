"""A text read once for every rule: its words, and the lemmas that name what a picture shows."""

from collections.abc import Set
from functools import lru_cache
from typing import NamedTuple

from vargpt_datagen.checks.vocabulary import (
    LEMMA_FIXES,
    NUMBERS,
    STOP_WORDS,
    SYNONYMS,
    WATCHED_WORDS,
)


class Reading(NamedTuple):
    """The words of a text in lower case."""

    phrase: str  # words between single spaces, one at each end: " as an ai " finds whole words
    content: Set[str]  # lemmas without stop words and numbers, synonyms folded
    watched: Set[str]  # those words that some rule looks for; mostly none, so most rules end here

    @property
    def words(self) -> list[str]:
        return self.phrase.split()


class _Meanings(dict[str, str]):
    """Word -> content lemma, "" for a word without content; filled as words are met."""

    def __missing__(self, word: str) -> str:
        meaning = self[word] = _meaning(word)
        return meaning


def _meaning(word: str) -> str:
    if word in STOP_WORDS or word in NUMBERS or word.isdigit():
        return ""
    lemma = LEMMA_FIXES.get(word) or _lemma(word)
    if lemma in STOP_WORDS:
        return ""
    lemma = LEMMA_FIXES.get(lemma, lemma)
    return SYNONYMS.get(lemma, lemma)


def _lemma(word: str) -> str:
    if not word.isascii():  # not in the English dictionary, which also chokes on lone surrogates
        return word
    # Imported on first use: its dictionary takes a third of a second that `--help` must not wait.
    from simplemma import lemmatize

    return lemmatize(word.removesuffix("'s"), lang="en").lower()


_MEANINGS = _Meanings()

# Every ASCII mark parts words except the apostrophe. Bytes, since they translate ten times faster.
_PARTING = bytes(
    code if code > 127 or chr(code).isalnum() or chr(code) == "'" else 32 for code in range(256)
)


def _read(text: str) -> Reading:
    parted = text.lower().encode("utf-8", "surrogatepass").translate(_PARTING)
    padded = f" {parted.decode('utf-8', 'surrogatepass')} "
    words = padded.replace(" '", " ").replace("' ", " ").split()
    content = set(map(_MEANINGS.__getitem__, words))
    content.discard("")
    return Reading(f" {' '.join(words)} ", content, WATCHED_WORDS.intersection(words))


# Two sizes: a row's own texts are soon forgotten and stay in the processor's cache; seeds recur.
read = lru_cache(maxsize=64)(_read)
read_seed = lru_cache(maxsize=4096)(_read)
