"""Text of a reply while its tokens arrive."""

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"  # a character whose last bytes are yet to come


class GrowingText:
    """The words of one text part so far; a character appears when its last byte has come."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self.token_ids: list[int] = []
        self.text = ""

    def add(self, token_id: int) -> str:
        """Take one token; what it adds to `text`."""
        self.token_ids.append(token_id)
        text = self._decode(self.token_ids)
        if text.endswith(UNFINISHED):
            return ""
        added = text[len(self.text) :]
        self.text = text
        return added
