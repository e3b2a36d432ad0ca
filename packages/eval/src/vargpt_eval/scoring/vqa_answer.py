"""Normal form of short answers in the VQA tasks (VQA v2 evaluation; lmms-eval 0.3.0 and 0.7.3)."""

import re

from vargpt_eval.scoring.contractions import CONTRACTIONS

_DIGITS = {
    "none": "0",
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}
_ARTICLES = frozenset(("a", "an", "the"))
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
_ANY_PUNCTUATION = re.compile(f"[{re.escape(_PUNCTUATION)}]")
_BETWEEN_DIGITS = re.compile(r"(?<=\d),+(?=\d)")
_PERIOD = re.compile(r"\.(?!\d)")
# lmms-eval passes re.UNICODE where re.sub takes a count.
_MAX_PERIODS = int(re.UNICODE)


def evalai_form(text: str) -> str:
    """The EvalAI processor's form: as `vqa_form`, but commas and `?` go and `'s` stands apart."""
    lowered = text.lower().replace(",", "").replace("?", "").replace("'s", " 's").strip()
    return vqa_form(on_one_line(lowered))


def vqa_form(text: str) -> str:
    """Punctuation, numbers to ten, articles and contractions evened out."""
    return _words_evened(_without_punctuation(text))


def on_one_line(text: str) -> str:
    """Line ends and tabs as spaces, none at either end."""
    return text.replace("\n", " ").replace("\t", " ").strip()


def _without_punctuation(text: str) -> str:
    """A mark goes where it adjoins a space somewhere in the text, else becomes a space.

    One comma between digits makes every mark go.
    """
    out = text
    if _ANY_PUNCTUATION.search(text):
        has_number_comma = _BETWEEN_DIGITS.search(text) is not None
        for mark in _PUNCTUATION:
            if mark in text:
                goes = has_number_comma or f"{mark} " in text or f" {mark}" in text
                out = out.replace(mark, "" if goes else " ")
    return _PERIOD.sub("", out, count=_MAX_PERIODS) if "." in out else out


def _words_evened(text: str) -> str:
    words = (_DIGITS.get(word, word) for word in text.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in _ARTICLES)
