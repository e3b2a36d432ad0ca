"""State of a stage in a checkpoint: the trained parameters, optimizer, schedule, Trainer's count.

What is not trained is in the starting model. Random streams are set by every step.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from vargpt_model.stage_training.sharding import sharded_like, whole
from vargpt_model.training.checkpoints import WriteFile
from vargpt_model.training.loop import STATE
from vargpt_model.training.torch_file import torch_file


def trained_parameters(model: nn.Module) -> dict[str, Tensor]:
    """What a model trains, whole: under FSDP2 every rank must ask for it."""
    return {
        name: whole(parameter.detach())
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def state_files(
    parameters: Mapping[str, Tensor],
    moments: Mapping[str, Any],
    schedule: LRScheduler,
    trainer_state: TrainerState,
) -> Mapping[str, WriteFile]:
    """Files of a checkpoint, from whole tensors: the same under every engine."""
    state = {
        "parameters": parameters,
        "optimizer": moments,
        "schedule": schedule.state_dict(),
    }
    return {
        STATE: torch_file(state),
        TRAINER_STATE_NAME: lambda path: trainer_state.save_to_json(str(path)),
    }


@torch.no_grad()
def load_parameters(model: nn.Module, folder: Path) -> None:
    """Put a checkpoint's parameters into a model, sharded or not."""
    own = dict(model.named_parameters())
    for name, value in load_state(folder)["parameters"].items():
        own[name].copy_(sharded_like(value, own[name]))


def load_optimizer(optimizer: Optimizer, schedule: LRScheduler, folder: Path) -> None:
    """Put a checkpoint's moments and its place in the schedule into both."""
    state = load_state(folder)
    moments = state["optimizer"]
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    for place, values in moments["state"].items():
        own = parameters[place]
        for name, value in values.items():
            if isinstance(value, torch.Tensor) and value.shape == own.shape:
                values[name] = sharded_like(value, own)
    optimizer.load_state_dict(moments)
    schedule.load_state_dict(state["schedule"])


def load_state(folder: Path) -> dict[str, Any]:
    """A checkpoint's `parameters`, `optimizer` and `schedule`."""
    return torch.load(folder / STATE, map_location="cpu", weights_only=True, mmap=True)
