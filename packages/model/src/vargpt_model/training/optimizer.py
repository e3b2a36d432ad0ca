"""AdamW with the weight-decay groups of VAR, and what happens to it before and at each step."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

# Parameters with these in their names are never decayed, nor are biases and vectors
# (VAR, `utils/lr_control.py` filter_params). The class table is.
UNDECAYED = ("pos_1LC", "pos_start", "lvl_embed", "gamma", "beta", "ada_gss", "scale_mul")


def is_decayed(name: str, parameter: Tensor) -> bool:
    """Whether weight decay acts on a parameter."""
    if parameter.ndim == 1 or name.endswith("bias"):
        return False
    return not any(part in name for part in UNDECAYED)


def adamw(
    named_parameters: Iterable[tuple[str, nn.Parameter]],
    *,
    betas: tuple[float, float] = (0.9, 0.95),
) -> torch.optim.AdamW:
    """AdamW over the parameters that need gradients: first the decayed group, then the other."""
    decayed, plain = [], []
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            (decayed if is_decayed(name, parameter) else plain).append(parameter)
    groups = [{"params": decayed, "is_decayed": True}, {"params": plain, "is_decayed": False}]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=0.0, betas=betas, weight_decay=0.0
    )


def set_rates(optimizer: torch.optim.Optimizer, *, lr: float, weight_decay: float) -> None:
    """Rates of the coming step; the weight decay goes to the decayed group alone."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        group["weight_decay"] = weight_decay if group["is_decayed"] else 0.0
