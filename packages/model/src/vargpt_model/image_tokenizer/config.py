"""Sizes of the image tokenizer."""

from dataclasses import dataclass

from vargpt_model.scales import PatchNums, checked_patch_nums
from vargpt_schema import PATCH_NUMS_7B


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTokenizerConfig:
    """Defaults are those of the published `vae_ch160v4096z32.pth` (VAR, arXiv 2404.02905)."""

    vocab_size: int = 4096  # V, rows of the codebook
    code_dim: int = 32  # C, width of a code and of the feature map
    base_channels: int = 160
    channel_multipliers: tuple[int, ...] = (1, 1, 2, 2, 4)  # one level each; each but one halves
    stem_stride: int = 1  # pixels a side that the first convolution takes together
    use_attention: bool = True  # behind the residual blocks of the coarsest level
    num_res_blocks: int = 2  # a level in the encoder; the decoder has one more
    num_norm_groups: int = 32
    quant_conv_kernel: int = 3
    dropout: float = 0.0
    patch_nums: PatchNums = PATCH_NUMS_7B
    phi_ratio: float = 0.5  # share of the convolution in phi; 0 makes phi the identity
    num_phi: int = 4  # convolutions shared among the scales; 0 gives each scale its own
    cosine_codes: bool = False  # nearest by angle instead of by distance
    commitment_weight: float = 0.25  # beta of the training loss

    def __post_init__(self) -> None:
        # JSON gives lists.
        object.__setattr__(self, "patch_nums", checked_patch_nums(self.patch_nums))
        object.__setattr__(self, "channel_multipliers", tuple(self.channel_multipliers))

    @property
    def downsampling(self) -> int:
        """Pixels a side of one feature: 16."""
        return self.stem_stride * 2 ** (len(self.channel_multipliers) - 1)

    @property
    def image_size_px(self) -> int:
        """Side of the images whose finest code map is `patch_nums[-1]`: 256."""
        return self.downsampling * self.patch_nums[-1]
