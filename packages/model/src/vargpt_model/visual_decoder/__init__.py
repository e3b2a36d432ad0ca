"""The block-causal transformer over the codes of all scales."""

from vargpt_model.visual_decoder.config import VisualDecoderConfig
from vargpt_model.visual_decoder.initialization import initialize
from vargpt_model.visual_decoder.key_value_cache import KeyValueCache
from vargpt_model.visual_decoder.losses import code_cross_entropy, progressive_weights
from vargpt_model.visual_decoder.visual_decoder import Modulations, VisualDecoder

__all__ = [
    "KeyValueCache",
    "Modulations",
    "VisualDecoder",
    "VisualDecoderConfig",
    "code_cross_entropy",
    "initialize",
    "progressive_weights",
]
