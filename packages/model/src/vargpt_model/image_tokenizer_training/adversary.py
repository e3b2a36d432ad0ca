"""The adversarial term: a discriminator of patches, trained along with the tokenizer.

PatchGAN (arXiv 1611.07004, appendix 6.1.2) with the hinge loss and the balance of VQGAN
(arXiv 2012.09841, equations 5 to 7). N images, P pixels a side.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 64
NUM_HALVINGS = 3
NUM_NORM_GROUPS = 32  # group norm, as batch statistics would differ between ranks
MAX_BALANCE = 1e4
BALANCE_EPS = 1e-4


class Discriminator(nn.Sequential):
    """(N, 3, P, P) in [-1, 1] -> (N, 1, P / 8 - 2, P / 8 - 2) scores, high for real patches"""

    def __init__(self) -> None:
        layers: list[nn.Module] = [nn.Conv2d(3, WIDTH, 4, 2, 1), nn.LeakyReLU(0.2)]
        width = WIDTH
        for halving in range(1, NUM_HALVINGS + 1):
            wider = min(WIDTH * 2**halving, 8 * WIDTH)
            stride = 2 if halving < NUM_HALVINGS else 1
            layers += [
                nn.Conv2d(width, wider, 4, stride, 1, bias=False),
                nn.GroupNorm(NUM_NORM_GROUPS, wider),
                nn.LeakyReLU(0.2),
            ]
            width = wider
        super().__init__(*layers, nn.Conv2d(width, 1, 4, 1, 1))


class Adversary:
    """A discriminator with its optimizer."""

    def __init__(self, lr: float, device: torch.device) -> None:
        self.discriminator = Discriminator().to(device)
        self.optimizer = torch.optim.AdamW(
            self.discriminator.parameters(), lr=lr, betas=(0.5, 0.9), weight_decay=0.0
        )

    def fooling_loss(self, rebuilt: Tensor) -> Tensor:
        """- mean D(rebuilt): what the tokenizer gains by looking real."""
        self.discriminator.requires_grad_(False)
        return -self.discriminator(rebuilt).mean()

    def balance(self, rebuilding: Tensor, fooling: Tensor, last_weight: Tensor) -> Tensor:
        """|grad of the rebuilding loss| / |grad of the fooling loss| at the last layer (eq. 7)"""
        rebuilding_grad = torch.autograd.grad(rebuilding, last_weight, retain_graph=True)[0]
        fooling_grad = torch.autograd.grad(fooling, last_weight, retain_graph=True)[0]
        balance = rebuilding_grad.norm() / (fooling_grad.norm() + BALANCE_EPS)
        return balance.clamp(0.0, MAX_BALANCE).detach()

    def step(self, pixels: Tensor, rebuilt: Tensor) -> Mapping[str, Any]:
        """One optimizer step of the discriminator, hinge loss."""
        self.discriminator.requires_grad_(True)
        real, fake = self.discriminator(pixels), self.discriminator(rebuilt)
        loss = (F.relu(1 - real).mean() + F.relu(1 + fake).mean()) / 2
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return {"discriminator_loss": loss.detach()}

    def state_dict(self) -> dict[str, Any]:
        """Weights and optimizer."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from such a state."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer.load_state_dict(state["optimizer"])
