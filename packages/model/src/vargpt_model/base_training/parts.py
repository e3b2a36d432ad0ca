"""Which parameters the stand-ins' language and vision phases train."""

import re

from vargpt_model.vargpt import VargptConfig

_LAYER = re.compile(r"vision_tower\.vision_model\.encoder\.layers\.([0-9]+)\.")
_POST_NORM = "vision_tower.vision_model.post_layernorm."


def is_vision_used(config: VargptConfig, name: str) -> bool:
    """Whether a parameter of the vision tower decides what the LLM sees.

    The LLM sees hidden states of one layer; layers behind it and the last norm get no gradient.
    """
    if name.startswith(_POST_NORM):
        return False
    layer = _LAYER.match(name)
    return layer is None or int(layer[1]) < num_layers_used(config)


def num_layers_used(config: VargptConfig) -> int:
    """Layers of the vision tower in front of the hidden states that the LLM sees."""
    chosen = config.vision_feature_layer
    return chosen if chosen >= 0 else config.vision.num_hidden_layers + 1 + chosen


def is_trained_by_base(config: VargptConfig, name: str) -> bool:
    """Whether the language and vision phases train a parameter; the decoder's is apart."""
    if name.startswith("vision_tower."):
        return is_vision_used(config, name)
    return name.startswith(("language_model.", "multi_modal_projector."))


def is_trained_by_contrast(config: VargptConfig, name: str) -> bool:
    """Whether the contrastive phase trains a parameter: what the LLM sees pictures through."""
    return is_trained_by_base(config, name) and not name.startswith("language_model.")
