"""Text from data made safe to look at: what would move a cursor or hide is written out."""


def printable(text: str) -> str:
    r"""`text` with every control, format or odd space character as its escape, such as `\x1b`.

    Nothing in it can drive a terminal, break a line or turn the writing direction.
    """
    if text.isprintable():
        return text
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text
    )


def printable_lines(text: str) -> str:
    """As `printable`, but line feeds stay."""
    return "\n".join(printable(line) for line in text.split("\n"))
