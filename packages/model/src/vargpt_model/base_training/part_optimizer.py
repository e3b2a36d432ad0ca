"""Some parameters of a model with their optimizer and rates; all others are frozen."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vargpt_model.training.schedules import LearningRate


class PartOptimizer:
    """AdamW over the named parameters of one phase."""

    def __init__(
        self,
        model: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        learning_rate: LearningRate,
        *,
        max_grad_norm: float,
        lr_fracs: Mapping[str, float] | None = None,
    ) -> None:
        """`lr_fracs`: of the learning rate, by the beginning of a parameter's name."""
        self.parameters = parameters
        self.learning_rate = learning_rate
        self.max_grad_norm = max_grad_norm
        model.requires_grad_(False)
        for parameter in parameters.values():
            parameter.requires_grad_(True)
        groups: dict[float, list[nn.Parameter]] = defaultdict(list)
        for name, parameter in parameters.items():
            fracs = (frac for start, frac in (lr_fracs or {}).items() if name.startswith(start))
            groups[next(fracs, 1.0)].append(parameter)
        self.optimizer = torch.optim.AdamW(
            [{"params": own, "lr_frac": frac} for frac, own in groups.items()],
            lr=0.0,
            betas=(0.9, 0.95),
            weight_decay=0.0,
        )

    def update(self, loss: Tensor, step: int) -> Mapping[str, Any]:
        """One optimizer step of a 0-based number; returns what it did."""
        lr = self.learning_rate.at(step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["lr_frac"]
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters.values(), self.max_grad_norm)
        self.optimizer.step()
        return {"loss": loss.detach(), "lr": lr, "grad_norm": norm}

    def state_dict(self) -> dict[str, Any]:
        """Weights and moments."""
        parameters = {name: parameter.detach() for name, parameter in self.parameters.items()}
        return {"parameters": parameters, "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from such a state."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["parameters"][name])
        self.optimizer.load_state_dict(state["optimizer"])
