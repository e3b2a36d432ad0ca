"""Pixels to features: five levels of residual blocks, each but the last halving the image.

Module names are those of the published weights (VAR, vae_ch160v4096z32.pth).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from vargpt_model.image_tokenizer.config import ImageTokenizerConfig
from vargpt_model.image_tokenizer.layers import NORM_EPS, Downsample
from vargpt_model.image_tokenizer.levels import Level, MiddleBlocks


class EncoderLevel(Level):
    """One level, and the halving behind it."""

    def __init__(
        self, in_channels: int, out_channels: int, config: ImageTokenizerConfig, *, is_last: bool
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            config,
            num_blocks=config.num_res_blocks,
            is_coarsest=is_last,
        )
        self.downsample = nn.Identity() if is_last else Downsample(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H/2, W/2), or H x W at the last level"""
        return self.downsample(super().forward(x))


class Encoder(nn.Module):
    """Pixels to features, before `quant_conv`."""

    def __init__(self, config: ImageTokenizerConfig) -> None:
        super().__init__()
        widths = [config.base_channels * factor for factor in config.channel_multipliers]
        stride = config.stem_stride
        self.conv_in = nn.Conv2d(3, config.base_channels, stride + 2, stride=stride, padding=1)
        self.down = nn.ModuleList(
            EncoderLevel(before, after, config, is_last=index == len(widths) - 1)
            for index, (before, after) in enumerate(
                zip([config.base_channels, *widths[:-1]], widths, strict=True)
            )
        )
        self.mid = MiddleBlocks(widths[-1], config)
        self.norm_out = nn.GroupNorm(config.num_norm_groups, widths[-1], eps=NORM_EPS)
        self.conv_out = nn.Conv2d(widths[-1], config.code_dim, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, 16H, 16W) in [-1, 1] -> (N, code_dim, H, W)"""
        h = self.conv_in(pixels)
        for level in self.down:
            h = level(h)
        h = self.mid(h)
        return self.conv_out(F.silu(self.norm_out(h), inplace=True))
