"""AdamW of a stage: the trained parameters in groups of one learning rate and weight decay."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import nn

from vargpt_model.stage_training.config import StageTraining
from vargpt_model.training.optimizer import is_decayed


def stage_optimizer(
    named_parameters: Iterable[tuple[str, nn.Parameter]], training: StageTraining
) -> torch.optim.AdamW:
    """AdamW over the parameters that need gradients, at each one's peak learning rate."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            decay = training.weight_decay if is_decayed(name, parameter) else 0.0
            groups[training.peak_lr * training.lr_factor_of(name), decay].append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": lr, "weight_decay": decay}
            for (lr, decay), parameters in groups.items()
        ],
        betas=(training.beta1, training.beta2),
    )
