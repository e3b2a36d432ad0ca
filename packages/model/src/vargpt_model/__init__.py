"""VARGPT toolkit, model: one model that answers and draws (arXiv 2501.12327).

Names are imported when first used, so that `vargpt --help` starts without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vargpt_model.auto_classes import (
        VargptConfig,
        VargptForConditionalGeneration,
        VargptProcessor,
    )
    from vargpt_model.drawing import Drawing, DrawingConfig, ScaleSampler, draw_classes
    from vargpt_model.generation import GenerationOptions, answer
    from vargpt_model.image_tokenizer import ImageTokenizer, ImageTokenizerConfig
    from vargpt_model.visual_decoder import VisualDecoder, VisualDecoderConfig
    from vargpt_model.weights import open_model

__all__ = [
    "Drawing",
    "DrawingConfig",
    "GenerationOptions",
    "ImageTokenizer",
    "ImageTokenizerConfig",
    "ScaleSampler",
    "VargptConfig",
    "VargptForConditionalGeneration",
    "VargptProcessor",
    "VisualDecoder",
    "VisualDecoderConfig",
    "answer",
    "draw_classes",
    "open_model",
]

_MODULES = {
    # Importing it registers the three with transformers' Auto classes.
    "auto_classes": ("VargptConfig", "VargptForConditionalGeneration", "VargptProcessor"),
    "drawing": ("Drawing", "DrawingConfig", "ScaleSampler", "draw_classes"),
    "generation": ("GenerationOptions", "answer"),
    "image_tokenizer": ("ImageTokenizer", "ImageTokenizerConfig"),
    "visual_decoder": ("VisualDecoder", "VisualDecoderConfig"),
    "weights": ("open_model",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"vargpt_model.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
