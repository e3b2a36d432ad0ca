"""Sizes of the visual decoder."""

from dataclasses import dataclass

from vargpt_model.scales import PatchNums, checked_patch_nums
from vargpt_schema import PATCH_NUMS_7B


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualDecoderConfig:
    """Defaults are those of the published `var_d30.pth` (VAR, arXiv 2404.02905)."""

    num_layers: int = 30
    hidden_dim: int = 1920  # C
    num_heads: int = 30
    mlp_ratio: float = 4.0
    num_classes: int = 1000  # one more row of the condition table means "no class"
    vocab_size: int = 4096  # V
    code_dim: int = 32  # width of a code, as the image tokenizer's
    patch_nums: PatchNums = PATCH_NUMS_7B
    shared_adaln: bool = False  # one modulation layer for all blocks, as in VAR's d36-s
    qk_norm: bool = True  # cosine attention with a learned temperature per head
    norm_eps: float = 1e-6
    dropout: float = 0.0
    attention_dropout: float = 0.0
    drop_path: float = 0.125  # of the last block, rising linearly from 0 at the first
    condition_dropout: float = 0.1  # share of training samples that lose their class

    def __post_init__(self) -> None:
        # JSON gives a list.
        object.__setattr__(self, "patch_nums", checked_patch_nums(self.patch_nums))
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                f"hidden_dim must be a multiple of num_heads, got {self.hidden_dim} "
                f"and {self.num_heads}"
            )

    @classmethod
    def var(cls, depth: int) -> "VisualDecoderConfig":
        """VAR's one dial: 64 channels and one head a layer (d16, d20, d24, d30)."""
        return cls(
            num_layers=depth, hidden_dim=64 * depth, num_heads=depth, drop_path=0.1 * depth / 24
        )

    @property
    def head_dim(self) -> int:
        """Channels of one head."""
        return self.hidden_dim // self.num_heads
