"""Cleaning of machine captions, and what makes one unfit to build a row on.

Rules after what BLIP-2 is known to do: cut phrases, loops ("a hat on top of a hat on top of a
hat"), trailing newlines.
"""

import re
from collections import Counter

MIN_WORDS, MAX_WORDS = 2, 24
MAX_CHARS = 200  # words of BLIP-2 and of the sample world have 5 on average

_SPACES = re.compile(r"\s+")
_SPECIAL_TOKEN = re.compile(r"<\|?/?[A-Za-z_][^<>]{0,40}>|\b(?:USER|ASSISTANT):")
_MARKUP = re.compile(r"[<>{}\[\]|\\`*_#~^]|https?://|&[a-z]+;|\"\s*:")
_CUT_OFF = frozenset({"a", "an", "the", "of", "with", "in", "on", "and", "at", "to", "from", "by"})
_STOP_WORDS = _CUT_OFF | {"is", "are", "it", "this", "that", "there", "for", "or", "as"}


def clean_caption(raw: str) -> str:
    """One line without surrounding space and without final periods."""
    return _SPACES.sub(" ", raw).strip().rstrip(". ")


def caption_fault(caption: str) -> str | None:
    """Why a cleaned caption is unfit, as a short reason; None when it is fit."""
    if not caption:
        return "empty"
    if _SPECIAL_TOKEN.search(caption):
        return "special_token"
    if not caption.isascii() or not caption.isprintable():
        return "not_plain_ascii"
    if _MARKUP.search(caption):
        return "markup"
    words = caption.lower().split(" ")
    if len(caption) > MAX_CHARS or len(words) > MAX_WORDS:
        return "too_long"
    if len(words) < MIN_WORDS:
        return "too_short"
    if words[-1] in _CUT_OFF:
        return "cut_off"
    if all(word in _STOP_WORDS for word in words):
        return "no_content"
    if len(words) >= 9 and _loops(words):
        return "loops"
    return None


def _loops(words: list[str]) -> bool:
    trigrams = Counter(zip(words, words[1:], words[2:], strict=False))
    return max(trigrams.values()) >= 3
