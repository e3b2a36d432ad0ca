"""The key of an endpoint: read from the environment, shown to nobody."""

import os
from itertools import takewhile

from vargpt_schema import UserError

NO_KEY = "none"  # value of --key-env: send no key at all
MASK = "***"
_SHORTEST = 8  # characters of a key


class Key:
    """A secret. Its text leaves only through `reveal`, and `mask` removes it from other texts."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def mask(self, text: str) -> str:
        """`text` without the key, and without a beginning of it where a text was cut off."""
        beginning, rest = self._text[:_SHORTEST], self._text[_SHORTEST:]
        if beginning not in text:
            return text
        first, *others = text.replace(self._text, MASK).split(beginning)
        return first + "".join(MASK + other[_num_shared(other, rest) :] for other in others)

    def __repr__(self) -> str:
        return f"Key({MASK})"


def _num_shared(text: str, other: str) -> int:
    """Characters that two texts begin with alike."""
    pairs = zip(text, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def key_in(variable: str) -> Key | None:
    """The key in an environment variable; None when there is none.

    UserError when it cannot be a key; its text is never part of a message.
    """
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
