"""Pixels <-> codes of several scales."""

from vargpt_model.image_tokenizer.config import ImageTokenizerConfig
from vargpt_model.image_tokenizer.image_tokenizer import ImageTokenizer, Reconstruction
from vargpt_model.image_tokenizer.quantizer import MultiScaleQuantizer

__all__ = ["ImageTokenizer", "ImageTokenizerConfig", "MultiScaleQuantizer", "Reconstruction"]
