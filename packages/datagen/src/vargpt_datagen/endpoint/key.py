"""The key of an endpoint: read from the environment, shown to nobody."""

import json
import os
import re
from itertools import takewhile
from urllib.parse import quote

from vargpt_schema import UserError

NO_KEY = "none"  # value of --key-env: send no key at all
MASK = "***"
_SHORTEST = 8  # characters of a key
_ESCAPED = re.compile(r"\\u00([0-9a-fA-F]{2})")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Key:
    """A secret. Its text leaves only through `reveal`, and `mask` removes it from other texts."""

    __slots__ = ("_forms", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        # As it is, and as JSON, a URL or Python would spell it.
        forms = (text, text.replace("/", "\\/"), json.dumps(text)[1:-1], repr(text)[1:-1])
        self._forms = tuple(dict.fromkeys((*forms, quote(text), quote(text, safe=""))))

    def reveal(self) -> str:
        return self._text

    def mask(self, text: str) -> str:
        """`text` without the key, and without a beginning of it where a text was cut off."""
        if "\\u" in text and self._text[:_SHORTEST] in (plain := _unescaped(text)):
            text = plain  # spelled so that nobody would find it
        for form in self._forms:
            text = _masked(text, form)
        return text

    def __repr__(self) -> str:
        return f"Key({MASK})"


def _masked(text: str, form: str) -> str:
    beginning, rest = form[:_SHORTEST], form[_SHORTEST:]
    if beginning not in text:
        return text
    first, *others = text.replace(form, MASK).split(beginning)
    return first + "".join(MASK + other[_num_shared(other, rest) :] for other in others)


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _num_shared(text: str, other: str) -> int:
    """Characters that two texts begin with alike."""
    pairs = zip(text, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def key_in(variable: str) -> Key | None:
    """The key in an environment variable; None when there is none.

    UserError when it cannot be a key; its text is never part of a message.
    """
    if not _VARIABLE.fullmatch(variable):
        raise UserError(
            f"--key-env {MASK}: no name of an environment variable, such as DEEPSEEK_API_KEY, "
            "which holds the key and is not the key itself. Put the key there and give its name."
        )
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise UserError(
            f"{variable}: a key with spaces or special characters found, one word of plain "
            "characters expected. Set it again, without quotes or line breaks."
        )
    if len(text) < _SHORTEST:  # masking it would tear ordinary text apart
        raise UserError(
            f"{variable}: a key of {len(text)} characters found, at least {_SHORTEST} expected. "
            f"Set the whole key, or give --key-env {NO_KEY} where none is needed."
        )
    return Key(text)
