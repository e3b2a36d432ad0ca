"""A reply: text and images in the order in which the model gave them, and what is heard meanwhile.

L codes of an image, n of one scale, s pixels a side.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image
from torch import Tensor

FinishReason = Literal["stop", "length", "context"]


@dataclass(frozen=True, slots=True)
class TextPart:
    """A stretch of text."""

    token_ids: tuple[int, ...]
    text: str  # "" where the caller gave no way to decode


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A drawn image."""

    pixels: Tensor  # (3, s, s) uint8, on the CPU
    code_ids: Tensor  # (L,) int64, on the CPU

    def picture(self) -> Image.Image:
        """For saving and showing."""
        return Image.fromarray(self.pixels.permute(1, 2, 0).numpy())


@dataclass(slots=True)
class Reply:
    """What one row of a batch answered."""

    parts: list[TextPart | ImagePart] = field(default_factory=list)
    # stop: the model ended its turn; length: a text part reached its limit; context: the model's
    # context is full, or an image that it opened would not fit.
    finish_reason: FinishReason = "stop"
    # Times that the start of an image was the likeliest next token and `max_images` ruled it out.
    num_images_refused: int = 0

    @property
    def text(self) -> str:
        """All text parts, one after the other."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def images(self) -> list[ImagePart]:
        """All images, in order."""
        return [part for part in self.parts if isinstance(part, ImagePart)]


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """A token of text was chosen."""

    row: int
    token_id: int


@dataclass(frozen=True, slots=True)
class ImageStartEvent:
    """The row opened its next image."""

    row: int
    image_index: int


@dataclass(frozen=True, slots=True)
class ScaleEvent:
    """One scale of an image was chosen."""

    row: int
    image_index: int
    scale: int
    code_ids: Tensor  # (n,)


@dataclass(frozen=True, slots=True)
class ImageEvent:
    """An image is finished."""

    row: int
    image_index: int
    image: ImagePart


@dataclass(frozen=True, slots=True)
class EndEvent:
    """The row's reply is complete."""

    row: int
    finish_reason: FinishReason


Event = TokenEvent | ImageStartEvent | ScaleEvent | ImageEvent | EndEvent
OnEvent = Callable[[Event], None]
