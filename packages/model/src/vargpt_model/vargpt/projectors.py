"""The three projectors: image features to the LLM, codes to the LLM, LLM states to the decoder.

N rows, I input width, O output width.
"""

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN

from vargpt_model.vargpt.config import VargptConfig


class UnderstandingProjector(nn.Module):
    """Features of the vision tower to LLM width: two linear layers (LLaVA-1.5)."""

    def __init__(self, config: VargptConfig) -> None:
        super().__init__()
        width = config.text.hidden_size
        self.linear_1 = nn.Linear(config.vision.hidden_size, width)
        self.act = ACT2FN[config.projector_hidden_act]
        self.linear_2 = nn.Linear(width, width)

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return self.linear_1.weight.dtype

    def forward(self, features: Tensor) -> Tensor:
        """(N, P, I) -> (N, P, O)"""
        return self.linear_2(self.act(self.linear_1(features)))


class UnusedNorm(nn.Module):
    """A layer norm that the official checkpoint carries and its code never applies.

    Its tensors are buffers here: kept on disk, invisible to optimisers and to distributed training,
    which would wait for their gradients.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(width))
        self.register_buffer("bias", torch.zeros(width))


class GenerationProjector(nn.Module):
    """linear, GELU (erf), linear between the decoder's width and the LLM's (section 3.1)."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.ln_q = UnusedNorm(in_width)
        self.mlp = nn.Sequential(
            nn.Linear(in_width, in_width), nn.GELU(), nn.Linear(in_width, out_width)
        )

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights."""
        return next(self.mlp.parameters()).dtype

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)"""
        return self.mlp(x)
