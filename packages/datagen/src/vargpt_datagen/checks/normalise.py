"""Typography of written text, settled before it is checked and stored."""

import re

_TYPOGRAPHY = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201a": "'",
        "\u201b": "'",
        "\u2032": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u201f": '"',
        "\u2033": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
    }
)
_SPACES = re.compile(r"[^\S\r\n]{2,}|[^\S\r\n ]")
_CLOSING_MARKS = " \t.!,;:"


def normalise(text: str) -> str:
    """Strip, collapse spaces, straighten quotes and dashes; newlines stay for a check to see."""
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    text = text.translate(_TYPOGRAPHY)
    return _SPACES.sub(" ", text).strip()


def normalise_answer(text: str) -> str:
    """As `normalise`, and closed by exactly one full stop; blank text stays blank.

    A question keeps its mark, which a rule then finds.
    """
    text = normalise(text).rstrip(_CLOSING_MARKS)
    return text if text.endswith("?") or not text else text + "."
