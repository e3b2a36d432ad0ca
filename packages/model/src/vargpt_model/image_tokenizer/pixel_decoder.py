"""Features to pixels: the encoder's mirror image, one residual block more a level.

`up` is stored by resolution, full resolution first, and runs from the last to the first.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from vargpt_model.image_tokenizer.config import ImageTokenizerConfig
from vargpt_model.image_tokenizer.layers import NORM_EPS, Upsample
from vargpt_model.image_tokenizer.levels import Level, MiddleBlocks


class DecoderLevel(Level):
    """One level, and the doubling behind it."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        config: ImageTokenizerConfig,
        *,
        is_coarsest: bool,
        is_finest: bool,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            config,
            num_blocks=config.num_res_blocks + 1,
            is_coarsest=is_coarsest,
        )
        self.upsample = nn.Identity() if is_finest else Upsample(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, 2H, 2W), or H x W at the finest level"""
        return self.upsample(super().forward(x))


class PixelDecoder(nn.Module):
    """Features to pixels, behind `post_quant_conv`. The output is not bounded."""

    def __init__(self, config: ImageTokenizerConfig) -> None:
        super().__init__()
        widths = [config.base_channels * factor for factor in config.channel_multipliers]
        last = len(widths) - 1
        self.conv_in = nn.Conv2d(config.code_dim, widths[-1], 3, padding=1)
        self.mid = MiddleBlocks(widths[-1], config)
        self.up = nn.ModuleList(
            DecoderLevel(
                widths[min(index + 1, last)],
                width,
                config,
                is_coarsest=index == last,
                is_finest=index == 0,
            )
            for index, width in enumerate(widths)
        )
        self.norm_out = nn.GroupNorm(config.num_norm_groups, widths[0], eps=NORM_EPS)
        self.conv_out = nn.Conv2d(widths[0], 3 * config.stem_stride**2, 3, padding=1)
        self.pixels_a_position = config.stem_stride

    def forward(self, features: Tensor) -> Tensor:
        """(N, code_dim, H, W) -> (N, 3, 16H, 16W)"""
        h = self.mid(self.conv_in(features))
        for level in reversed(self.up):
            h = level(h)
        out = self.conv_out(F.silu(self.norm_out(h), inplace=True))
        return F.pixel_shuffle(out, self.pixels_a_position)
