"""A model before its stage: what is frozen, in which precision, with which memory."""

import torch
from torch import nn

from vargpt_model.stage_training.config import StageTraining
from vargpt_model.stages import Stage, is_trained
from vargpt_model.vargpt import VargptForConditionalGeneration

LARGE_MODEL = 1_000_000_000  # parameters; from here on activations are computed twice


def freeze(model: nn.Module, stage: Stage, variant: str = "paper") -> list[str]:
    """Leave gradients to the parameters that a stage trains; returns their names."""
    trained = []
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_trained(stage, name, variant))
        if parameter.requires_grad:
            trained.append(name)
    return trained


def prepare(model: VargptForConditionalGeneration, stage: Stage, training: StageTraining) -> str:
    """Freeze, choose types; returns the precision of the passes, float32 or bfloat16.

    In bfloat16 the trained parameters are float32 all the same, as small steps vanish in
    bfloat16; what is frozen stays as it is stored.
    """
    freeze(model, stage, training.variant)
    precision = training.precision
    if precision == "auto":
        is_half = model.dtype == torch.bfloat16 and torch.cuda.is_available()
        precision = "bfloat16" if is_half else "float32"
    for parameter in model.parameters():
        if precision == "float32" or parameter.requires_grad:
            parameter.data = parameter.data.float()
    model.config.guidance_null_dropout = training.null_dropout
    return precision


def checkpoints_blocks(model: nn.Module, training: StageTraining) -> bool:
    """Whether passes keep the inputs of blocks alone and compute the rest twice."""
    if training.gradient_checkpointing == "auto":
        return sum(parameter.numel() for parameter in model.parameters()) >= LARGE_MODEL
    return training.gradient_checkpointing == "on"
