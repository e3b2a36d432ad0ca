"""What the runner needs of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from PIL import Image


@dataclass(frozen=True, slots=True)
class Asked:
    """One question; the images come before the text."""

    prompt: str
    images: tuple[Image.Image, ...]  # RGB


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    finish_reason: Literal["stop", "length"]  # length: cut off, by the limit or a full context
    num_tokens: int


class Answerer(Protocol):
    """Greedy answers, each depending on its own question alone."""

    def answers(self, asked: Sequence[Asked], max_new_tokens: int) -> list[Answer]:
        """One answer a question. UserError, ValueError or RuntimeError when one cannot be given."""
        ...
