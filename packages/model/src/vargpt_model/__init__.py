"""VARGPT toolkit, model: image tokenizer and visual decoder of next-scale prediction."""

from vargpt_model.drawing import Drawing, DrawingConfig, ScaleSampler, draw_classes
from vargpt_model.image_tokenizer import ImageTokenizer, ImageTokenizerConfig
from vargpt_model.visual_decoder import VisualDecoder, VisualDecoderConfig

__all__ = [
    "Drawing",
    "DrawingConfig",
    "ImageTokenizer",
    "ImageTokenizerConfig",
    "ScaleSampler",
    "VisualDecoder",
    "VisualDecoderConfig",
    "draw_classes",
]
