"""Rules that hold both texts to the caption: enough of it told, nothing countable made up."""

import re
from collections.abc import Set

from vargpt_datagen.checks.candidate import Candidate
from vargpt_datagen.checks.reading import read
from vargpt_datagen.checks.vocabulary import ANNOUNCING_WORDS, COLOURS, COUNTED_BY, NUMBERS

_MIN_TOLD_FRAC = 0.5  # of the caption's content lemmas

_COLOUR_WORDS = frozenset(COLOURS)
_NUMBER_WORDS = frozenset(NUMBERS)
_TWO_THINGS = re.compile(r" and (?:an?|another) ")
_DIGIT = re.compile(r"\d")


def prompt_off_caption(candidate: Candidate) -> str | None:
    """The prompt decides what is drawn, so it must tell at least half of the caption."""
    caption = read(candidate.caption).content
    missing = caption - read(candidate.prompt).content
    return _listed(missing) if len(missing) > (1 - _MIN_TOLD_FRAC) * len(caption) else None


def answer_off_caption(candidate: Candidate) -> str | None:
    """The answer may be as short as the subject, but half of what it tells is the caption's."""
    caption = read(candidate.caption).content
    answer = read(candidate.answer).content
    # Small talk that the two texts share ("for my slides") is beside the point.
    strange = answer - caption - read(candidate.prompt).content - ANNOUNCING_WORDS
    found = caption & answer
    num_due = _MIN_TOLD_FRAC * min(len(caption), max(len(found) + len(strange), 1))
    return _listed(caption - answer) if len(found) < num_due else None


def new_colour(candidate: Candidate) -> str | None:
    """A colour that the caption lacks is a guess the image will contradict."""
    caption = read(candidate.caption)
    for text in candidate.texts:
        told = read(text).watched & _COLOUR_WORDS
        if told <= caption.watched:
            continue
        known = {COLOURS[word] for word in caption.watched & _COLOUR_WORDS}
        for word in sorted(told):
            # A caption's "blackbird" may become "a black bird".
            if COLOURS[word] not in known and f" {word}" not in caption.phrase:
                return word
    return None


def new_number(candidate: Candidate) -> str | None:
    """A count that the caption lacks is a guess the image will contradict."""
    caption = read(candidate.caption)
    for text in candidate.texts:
        reading = read(text)
        counts = reading.watched & _NUMBER_WORDS
        if _DIGIT.search(text):
            counts |= {word for word in reading.words if word.isdecimal() and word != "1"}
        if counts <= caption.watched:
            continue
        known = {COUNTED_BY.get(word) or NUMBERS.get(word, word) for word in caption.words}
        if _TWO_THINGS.search(caption.phrase):
            known.add("2")
        for word in sorted(counts):
            if NUMBERS.get(word, word) not in known:
                return word
    return None


def _listed(lemmas: Set[str]) -> str:
    return ", ".join(sorted(lemmas))
