"""How many multiplications and additions a step of a stage needs, for the share of a GPU's peak.

Worked out, not counted: 2 for each weight and position, 4 S H for attention over S positions of
width H, half of that where it is causal. A pass through a part costs that once; gradients of what
goes through it once more; gradients of its weights a third time. Blocks that checkpointing computes
twice count once, and text in front of images counts with gradients even where a run needs none.
Norms, activations and the image tokenizer are left out.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from vargpt_model.stages import Stage, is_trained
from vargpt_model.vargpt import VargptConfig, VargptForConditionalGeneration


class PassFlops(NamedTuple):
    """Of one pass forward, per unit."""

    llm_position: float  # blocks, without attention among positions
    llm_attention: float  # per position and position that it may see
    label: float  # the text head
    understood_image: float  # vision tower
    understood_projection: float
    drawn_image: float  # visual decoder
    drawn_projection: float  # both generation projectors


class Factors(NamedTuple):
    """How often each part is passed in a step: 1 forward, 2 with gradients, 3 where it learns."""

    llm: int
    vision_tower: int
    understanding_projector: int
    visual_decoder: int
    generation_projectors: int


class StepFlops:
    """Of a stage's steps, from their log lines."""

    def __init__(self, config: VargptConfig, factors: Factors, *, num_rows: int) -> None:
        self.one, self.factors, self.num_rows = pass_flops(config), factors, num_rows

    def of(self, line: Mapping[str, Any]) -> float:
        """All ranks together. Rows count as equally long, which makes long ones cheap."""
        one, factors = self.one, self.factors
        positions = line["num_positions"]
        seen = positions / self.num_rows / 2  # causal
        llm = positions * (one.llm_position + seen * one.llm_attention)
        llm += line["num_labels"] * one.label
        drawn, understood = line["num_images"], line.get("num_understood", 0)
        return (
            factors.llm * llm
            + factors.vision_tower * understood * one.understood_image
            + factors.understanding_projector * understood * one.understood_projection
            + factors.visual_decoder * drawn * one.drawn_image
            + factors.generation_projectors * drawn * one.drawn_projection
        )


def pass_flops(config: VargptConfig) -> PassFlops:
    """Forward, from the sizes of the parts."""
    with torch.device("meta"):
        model = VargptForConditionalGeneration(config)
    text, vision, decoder = config.text, config.vision, config.visual_decoder_config
    patches = (config.vision_size_px // int(vision.patch_size)) ** 2
    positions = patches + 1  # CLS
    codes = config.num_image_codes
    of_decoder = partial(_matrices, model.vargpt_gen)
    return PassFlops(
        llm_position=2.0 * _matrices(model.language_model, ("model.layers.",)),
        llm_attention=4.0 * text.num_hidden_layers * text.hidden_size,
        label=2.0 * text.vocab_size * text.hidden_size,
        understood_image=2.0 * patches * _matrices(model.vision_tower, (".patch_embedding.",))
        + 2.0 * positions * _matrices(model.vision_tower, (".layers.",))
        + 4.0 * vision.num_hidden_layers * vision.hidden_size * positions**2,
        understood_projection=2.0
        * config.num_image_tokens
        * _matrices(model.multi_modal_projector),
        drawn_image=2.0 * codes * of_decoder((".attn.", ".ffn.", "head.", "word_embed."))
        + 2.0 * of_decoder(("ada_lin.",))  # once an image
        + 4.0 * decoder.num_layers * decoder.hidden_dim * _pairs(decoder.patch_nums),
        drawn_projection=2.0
        * codes
        * (_matrices(model.image_gen_projector) + _matrices(model.image_gen_projector_out)),
    )


def stage_factors(stage: Stage, variant: str = "paper", *, image_loss_weight: float) -> Factors:
    """What a stage passes how often."""

    def factor(prefix: str, *, has_gradient: bool) -> int:
        if is_trained(stage, prefix, variant):
            return 3
        return 2 if has_gradient else 1

    learns_llm = is_trained(stage, "language_model.", variant)
    in_front = ("multi_modal_projector.", "image_gen_projector.", "vargpt_gen.")
    learns_in_front = any(is_trained(stage, part, variant) for part in in_front)
    draws = image_loss_weight > 0
    return Factors(
        llm=factor("language_model.", has_gradient=learns_in_front),
        vision_tower=1,
        understanding_projector=factor("multi_modal_projector.", has_gradient=False),
        visual_decoder=factor("vargpt_gen.", has_gradient=draws),
        generation_projectors=factor("image_gen_projector.", has_gradient=draws and learns_llm),
    )


def _matrices(module: nn.Module, parts: tuple[str, ...] = ("",)) -> int:
    """Weights of linear and convolution layers whose names hold one of `parts`."""
    return sum(
        layer.weight.numel()
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and any(part in f"{name}." for part in parts)
    )


def _pairs(patch_nums: tuple[int, ...]) -> int:
    """Pairs of a code and a code that it sees: all of its own and coarser scales."""
    seen, pairs = 0, 0
    for side in patch_nums:
        seen += side * side
        pairs += side * side * seen
    return pairs
