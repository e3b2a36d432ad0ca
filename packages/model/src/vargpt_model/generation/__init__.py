"""Replies of text and images."""

from vargpt_model.generation.answer import answer
from vargpt_model.generation.generate import generate
from vargpt_model.generation.options import GenerationOptions
from vargpt_model.generation.parts import (
    EndEvent,
    Event,
    ImageEvent,
    ImagePart,
    ImageStartEvent,
    Reply,
    ScaleEvent,
    TextPart,
    TokenEvent,
)

__all__ = [
    "EndEvent",
    "Event",
    "GenerationOptions",
    "ImageEvent",
    "ImagePart",
    "ImageStartEvent",
    "Reply",
    "ScaleEvent",
    "TextPart",
    "TokenEvent",
    "answer",
    "generate",
]
