"""Open questions of MMMU: short answers and numbers found in a response."""

import re
from collections.abc import Iterable

# A response's words after the last of these may be the answer.
_CUES = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_LAST_LINE_CUES = (*_CUES, "=")
_TRIVIAL = frozenset(":,.!?;'")
_NUMBER_FORMS = (
    re.compile(r"-?\b\d{1,3}(?:,\d{3})+\b"),  # 1,234,567
    re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"),  # 1.2e-3
    re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])"),  # 12, 1.5, .5
)


def open_candidates(response: str) -> set[str | float]:
    """What may be the answer: the words behind a cue of each line, and the numbers in them.

    Without a cue the whole response. Numbers are rounded to two places.
    """
    keys = _key_phrases(response)
    numbers = [number for key in keys for form in _NUMBER_FORMS for number in form.findall(key)]
    return {value for text in (*keys, *numbers) for value in _values(text)}


def is_open_right(candidates: Iterable[str | float], targets: tuple[str, ...]) -> bool:
    """A candidate text holds a target's text, or a candidate number equals a target's number."""
    wanted = [value for target in targets for value in _values(target)]
    texts = [value for value in wanted if isinstance(value, str)]
    return any(
        any(text in candidate for text in texts)
        if isinstance(candidate, str)
        else candidate in wanted
        for candidate in candidates
    )


def _key_phrases(response: str) -> list[str]:
    text = response.strip().strip(".").lower()
    lines = text.split("\n")
    keys = []
    for number, line in enumerate(lines, start=1):
        cues = _LAST_LINE_CUES if number == len(lines) else _CUES
        tails = [line.rpartition(cue)[2].strip() for cue in cues if cue in line]
        shortest = _shortest(tails)
        if shortest and shortest not in _TRIVIAL:
            keys.append(shortest)
    return keys or [text]


def _shortest(tails: list[str]) -> str:
    """The first of the shortest, where an empty one gives way to the next."""
    shortest = ""
    for tail in tails:
        if not shortest or len(tail) < len(shortest):
            shortest = tail
    return shortest


def _values(text: str) -> list[str | float]:
    """A number as a float of two places; else lower case, one character with a space beside it."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        lowered = text.lower()
    if len(lowered) == 1:
        return [f" {lowered}", f"{lowered} "]
    return [lowered]
