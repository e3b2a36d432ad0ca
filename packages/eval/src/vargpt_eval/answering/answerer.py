"""What the runner needs of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from PIL import Image

from vargpt_schema import IMAGE


@dataclass(frozen=True, slots=True)
class Asked:
    """One question; the images come before the text, or where it has them."""

    prompt: str
    images: tuple[Image.Image, ...]  # RGB
    is_interleaved: bool = False  # each `<image>` in the prompt is the place of an image

    @property
    def pieces(self) -> list[str]:
        """The text before, between and behind the images, one piece more than there are images.

        `<image> <image>`, a line end, the question, as lmms-eval has it. ValueError for another
        number of places than of images.
        """
        if not self.is_interleaved:
            between = [" "] * (len(self.images) - 1)
            return ["", *between, f"\n{self.prompt}"] if self.images else [self.prompt]
        pieces = self.prompt.split(IMAGE)
        if len(pieces) != len(self.images) + 1:
            raise ValueError(
                f"{len(pieces) - 1} times {IMAGE} found in the question, {len(self.images)} "
                "expected, one an image"
            )
        return pieces


def message_parts(pieces: Sequence[str]) -> list[dict[str, str]]:
    """Content of a chat message with an image between any two pieces of text."""
    parts = [{"type": "text", "text": pieces[0]}]
    for piece in pieces[1:]:
        parts += [{"type": "image"}, {"type": "text", "text": piece}]
    return [part for part in parts if part.get("text") != ""]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, special tokens left out."""

    text: str
    finish_reason: Literal["stop", "length"]  # length: cut off, by the limit or a full context
    num_tokens: int
    wanted_image: bool | None = None  # would have opened one; None of a model that draws none


class Answerer(Protocol):
    """Greedy answers, each depending on its own question alone."""

    def answers(self, asked: Sequence[Asked], max_new_tokens: int) -> list[Answer]:
        """One answer a question. UserError, ValueError or RuntimeError when one cannot be given."""
        ...
