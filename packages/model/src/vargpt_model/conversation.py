"""A conversation as people see it: turns of words and pictures; as the model reads it: messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from vargpt_model.generation import ImagePart, TextPart
from vargpt_model.processor.processor import ImageOrCodes


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody said and what the model answered."""

    words: str
    attached: tuple[Image.Image, ...]  # shown to the model, in front of the words
    parts: tuple[TextPart | ImagePart, ...]


class Conversation:
    """The turns so far, oldest first."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    def model_input(
        self, words: str, attached: Sequence[Image.Image]
    ) -> tuple[list[dict[str, Any]], list[ImageOrCodes]]:
        """Messages and images for `answer`: all turns and the question to come."""
        messages: list[dict[str, Any]] = []
        images: list[ImageOrCodes] = []
        for turn in self.turns:
            drawn = [part.code_ids for part in turn.parts if isinstance(part, ImagePart)]
            messages += [
                _question(turn.words, turn.attached),
                {"role": "assistant", "content": [_content(part) for part in turn.parts]},
            ]
            images += [*turn.attached, *drawn]
        return [*messages, _question(words, attached)], [*images, *attached]


def _question(words: str, attached: Sequence[Image.Image]) -> dict[str, Any]:
    # Parts, not placeholders: what is typed stays text.
    content: list[dict[str, str]] = [{"type": "image"} for _ in attached]
    text = f"\n{words}" if content else words
    return {"role": "user", "content": [*content, {"type": "text", "text": text}]}


def _content(part: TextPart | ImagePart) -> dict[str, str]:
    if isinstance(part, ImagePart):
        return {"type": "image_gen"}
    return {"type": "text", "text": part.text}
