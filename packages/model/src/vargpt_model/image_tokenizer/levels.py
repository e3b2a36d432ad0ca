"""What the encoder and the pixel decoder share: blocks at one resolution. N images, C channels."""

from torch import Tensor, nn

from vargpt_model.image_tokenizer.config import ImageTokenizerConfig
from vargpt_model.image_tokenizer.layers import AttentionBlock, ResBlock


class MiddleBlocks(nn.Module):
    """Residual, attention, residual at the coarsest resolution."""

    def __init__(self, channels: int, config: ImageTokenizerConfig) -> None:
        super().__init__()
        groups, dropout = config.num_norm_groups, config.dropout
        self.block_1 = ResBlock(channels, channels, num_groups=groups, dropout=dropout)
        self.attn_1 = (
            AttentionBlock(channels, num_groups=groups) if config.use_attention else nn.Identity()
        )
        self.block_2 = ResBlock(channels, channels, num_groups=groups, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> same"""
        return self.block_2(self.attn_1(self.block_1(x)))


class Level(nn.Module):
    """Residual blocks at one resolution, attention behind each at the coarsest."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        config: ImageTokenizerConfig,
        *,
        num_blocks: int,
        is_coarsest: bool,
    ) -> None:
        super().__init__()
        groups = config.num_norm_groups
        self.block = nn.ModuleList(
            ResBlock(
                in_channels if index == 0 else out_channels,
                out_channels,
                num_groups=groups,
                dropout=config.dropout,
            )
            for index in range(num_blocks)
        )
        num_attention = num_blocks if is_coarsest and config.use_attention else 0
        self.attn = nn.ModuleList(
            AttentionBlock(out_channels, num_groups=groups) for _ in range(num_attention)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)"""
        for index, block in enumerate(self.block):
            x = block(x)
            if self.attn:
                x = self.attn[index](x)
        return x
