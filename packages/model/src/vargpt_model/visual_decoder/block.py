"""One AdaLN transformer block (VAR, arXiv 2404.02905, section 3.3; DiT, arXiv 2212.09748).

B rows, L codes, C width, H heads, K = C / H channels of a head.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vargpt_model.visual_decoder.block_causal_attention import block_causal_attention
from vargpt_model.visual_decoder.config import VisualDecoderConfig
from vargpt_model.visual_decoder.key_value_cache import KeyValueCache

MAX_LOG_TEMPERATURE = math.log(100)
INITIAL_LOG_TEMPERATURE = math.log(4)


class ConditionProjection(nn.Sequential):
    """silu, then a linear layer: (B, C) condition -> (B, 1, parts, C) modulation"""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__(nn.SiLU(), nn.Linear(width, parts * width))
        self.parts = parts

    @property
    def linear(self) -> nn.Linear:
        """The layer with the weights; its key in checkpoints is `1`."""
        return cast("nn.Linear", self[1])

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, the name is nn.Sequential's
        """(B, C) -> (B, 1, parts, C)"""
        return super().forward(input).view(input.shape[0], 1, self.parts, -1)


class Attention(nn.Module):
    """Self-attention; the key has no bias. Names are VAR's."""

    zero_k_bias: Tensor  # (C,) zeros; a checkpoint key

    def __init__(self, config: VisualDecoderConfig) -> None:
        super().__init__()
        width = config.hidden_dim
        self.num_heads = config.num_heads
        self.dropout = config.attention_dropout
        self.qk_norm = config.qk_norm
        if config.qk_norm:
            self.scale_mul_1H11 = nn.Parameter(
                torch.full((1, config.num_heads, 1, 1), INITIAL_LOG_TEMPERATURE)
            )
            self.softmax_scale = 1.0
        else:
            # VAR's constant, a quarter of the usual one.
            self.softmax_scale = 0.25 / math.sqrt(config.head_dim)
        self.mat_qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("zero_k_bias", torch.zeros(width))
        self.proj = nn.Linear(width, width)
        self.proj_drop = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        ranges: list[tuple[int, int]],
        cache: KeyValueCache | None,
        layer: int,
    ) -> Tensor:
        """(B, L, C) -> same. With a cache, x is the next scale alone and sees all before it."""
        batch, length, width = x.shape
        bias = torch.cat([self.q_bias, self.zero_k_bias, self.v_bias])
        qkv = F.linear(x, self.mat_qkv.weight, bias).view(batch, length, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # (B, H, L, K)
        if self.qk_norm:
            temperature = self.scale_mul_1H11.float().clamp_max(MAX_LOG_TEMPERATURE).exp()
            q = (F.normalize(q.float(), dim=-1) * temperature).to(v.dtype)
            k = F.normalize(k.float(), dim=-1).to(v.dtype)
        dropout = self.dropout if self.training else 0.0
        if cache is None:
            out = block_causal_attention(q, k, v, ranges, scale=self.softmax_scale, dropout=dropout)
        else:
            seen = cache.append(layer, k, v)
            out = F.scaled_dot_product_attention(
                q, seen.keys, seen.values, scale=self.softmax_scale
            )
        return self.proj_drop(self.proj(out.transpose(1, 2).reshape(batch, length, width)))


class FeedForward(nn.Module):
    """Two linear layers with tanh-approximated GELU between."""

    def __init__(self, config: VisualDecoderConfig) -> None:
        super().__init__()
        inner = round(config.hidden_dim * config.mlp_ratio)
        self.fc1 = nn.Linear(config.hidden_dim, inner)
        self.fc2 = nn.Linear(inner, config.hidden_dim)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, L, C) -> same"""
        return self.drop(self.fc2(F.gelu(self.fc1(x), approximate="tanh")))


class Block(nn.Module):
    """Attention, then feed-forward, each modulated before and gated behind.

    x += gamma1 attn(LN(x) (1 + scale1) + shift1)
    x += gamma2 ffn(LN(x) (1 + scale2) + shift2)
    """

    def __init__(self, config: VisualDecoderConfig, *, drop_path: float) -> None:
        super().__init__()
        width = config.hidden_dim
        self.norm_eps = config.norm_eps
        self.drop_path = drop_path
        self.attn = Attention(config)
        self.ffn = FeedForward(config)
        if config.shared_adaln:
            self.ada_gss = nn.Parameter(torch.randn(1, 1, 6, width) / math.sqrt(width))
        else:
            self.ada_lin = ConditionProjection(width, 6)

    def modulation(self, condition: Tensor) -> Tensor:
        """(B, C) condition, or (B, 1, 6, C) from the shared layer -> (B, 1, 6, C).

        The six are gamma1, gamma2, scale1, scale2, shift1, shift2. They depend on the condition
        alone, so an image needs them once, not once a scale.
        """
        if condition.dim() == 4:
            return condition + self.ada_gss
        return self.ada_lin(condition)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        ranges: list[tuple[int, int]],
        cache: KeyValueCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """(B, L, C) and the block's modulation (B, 1, 6, C) -> (B, L, C)"""
        gamma1, gamma2, scale1, scale2, shift1, shift2 = modulation.unbind(2)  # (B, 1, C)
        attended = self.attn(self._modulated(x, scale1, shift1), ranges, cache, layer)
        x = torch.addcmul(x, self._kept(attended), gamma1)
        fed = self.ffn(self._modulated(x, scale2, shift2))
        return torch.addcmul(x, self._kept(fed), gamma2)

    def _modulated(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        normed = F.layer_norm(x, x.shape[-1:], eps=self.norm_eps)
        return torch.addcmul(shift, normed, 1 + scale)

    def _kept(self, branch: Tensor) -> Tensor:
        """Drop path (arXiv 1603.09382): whole rows are dropped, the others scaled up."""
        if not self.training or self.drop_path == 0:
            return branch
        keep = 1 - self.drop_path
        kept = torch.empty(branch.shape[0], 1, 1, dtype=branch.dtype, device=branch.device)
        return branch * kept.bernoulli_(keep).div_(keep)
