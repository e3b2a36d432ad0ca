"""Inception-v3 as TensorFlow's 2015-12-05 graph has it, which FID is defined by.

It differs from torchvision's: averages leave the padding out, the last block pools by maximum, and
there are 1,008 classes. Names are those of the published conversion of its weights.

B images    D = 2,048 features
"""

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE_PX = 299
WIDTH, NUM_CLASSES = 2_048, 1_008

Pool = Literal["average", "max", "max_halved"]


class Conv(NamedTuple):
    """A convolution without bias, by its name in the published weights."""

    name: str
    channels: int
    kernel: tuple[int, int]
    stride: int = 1


class Fork(NamedTuple):
    """Two convolutions of the same input, joined."""

    one: Conv
    other: Conv


Branch = tuple[Conv | Fork, ...]
_POINT, _SQUARE, _WIDE, _TALL = (1, 1), (3, 3), (1, 7), (7, 1)


class ConvNormRelu(nn.Module):
    """Convolution, batch norm with its running statistics, ReLU."""

    def __init__(self, in_channels: int, conv: Conv, *, is_padded: bool) -> None:
        super().__init__()
        padding = ((conv.kernel[0] - 1) // 2, (conv.kernel[1] - 1) // 2) if is_padded else 0
        self.conv = nn.Conv2d(
            in_channels, conv.channels, conv.kernel, conv.stride, padding, bias=False
        )
        self.bn = nn.BatchNorm2d(conv.channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, channels, h over stride, w over stride)"""
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Block(nn.Module):
    """Branches of one input and a pooled one, joined along channels."""

    def __init__(
        self, in_channels: int, branches: tuple[Branch, ...], pool: Pool, pool_channels: int
    ) -> None:
        super().__init__()
        self._branches, self._pool = branches, pool
        for branch in branches:
            channels = in_channels
            for step in branch:
                channels = self._add(channels, step)
        self.has_pool_conv = pool != "max_halved"
        if self.has_pool_conv:
            self._add(in_channels, Conv("branch_pool", pool_channels, _POINT))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> channels of all branches, then of the pooled input"""
        return torch.cat([*(self._run(branch, x) for branch in self._branches), self._pooled(x)], 1)

    def _add(self, in_channels: int, step: Conv | Fork) -> int:
        convs = step if isinstance(step, Fork) else (step,)
        for conv in convs:
            layer = ConvNormRelu(in_channels, conv, is_padded=conv.stride == 1)
            self.add_module(conv.name, layer)
        return sum(conv.channels for conv in convs)

    def _run(self, branch: Branch, x: Tensor) -> Tensor:
        for step in branch:
            if isinstance(step, Fork):
                x = torch.cat([self.get_submodule(conv.name)(x) for conv in step], 1)
            else:
                x = self.get_submodule(step.name)(x)
        return x

    def _pooled(self, x: Tensor) -> Tensor:
        if self._pool == "max_halved":
            return F.max_pool2d(x, 3, 2)
        if self._pool == "max":
            pooled = F.max_pool2d(x, 3, 1, 1)
        else:
            pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return self.get_submodule("branch_pool")(pooled)


class Inception(nn.Module):
    """Features before the last layer, and its logits without their bias."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _stem(3, 32, stride=2)
        self.Conv2d_2a_3x3 = _stem(32, 32)
        self.Conv2d_2b_3x3 = _stem(32, 64, is_padded=True)
        self.Conv2d_3b_1x1 = ConvNormRelu(64, Conv("", 80, _POINT), is_padded=False)
        self.Conv2d_4a_3x3 = _stem(80, 192)
        self.Mixed_5b = _block_a(192, 32)
        self.Mixed_5c = _block_a(256, 64)
        self.Mixed_5d = _block_a(288, 64)
        self.Mixed_6a = _block_b()
        self.Mixed_6b = _block_c(128)
        self.Mixed_6c = _block_c(160)
        self.Mixed_6d = _block_c(160)
        self.Mixed_6e = _block_c(192)
        self.Mixed_7a = _block_d()
        self.Mixed_7b = _block_e(1_280, "average")
        self.Mixed_7c = _block_e(2_048, "max")
        self.fc = nn.Linear(WIDTH, NUM_CLASSES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, h, w) uint8 -> (B, D) features, (B, 1008) logits"""
        x = (resized_as_tensorflow_1(images.to(self.fc.weight.dtype), SIDE_PX) - 128) / 128
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))  # (B, 64, 147, 147)
        x = F.max_pool2d(x, 3, 2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))  # (B, 192, 71, 71)
        x = F.max_pool2d(x, 3, 2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))  # (B, 288, 35, 35)
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))  # (B, 768, 17, 17)
        x = self.Mixed_6e(self.Mixed_6d(x))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))  # (B, 2048, 8, 8)
        features = x.mean(dim=(2, 3))  # (B, D)
        return features, features @ self.fc.weight.T


def resized_as_tensorflow_1(images: Tensor, side_px: int) -> Tensor:
    """(B, 3, h, w) -> (B, 3, side_px, side_px), bilinear with corners at the top left of pixels.

    TensorFlow 1's `resize_bilinear` without `align_corners`: pixel i is sampled at i * h / side_px.
    """
    for axis in (3, 2):
        size = images.shape[axis]
        place = torch.arange(side_px, dtype=images.dtype, device=images.device) * (size / side_px)
        low = place.long()
        high = (low + 1).clamp_max(size - 1)
        share = place - low  # (side_px,)
        share = share if axis == 3 else share[:, None]
        before = images.index_select(axis, low)
        images = before + (images.index_select(axis, high) - before) * share
    return images


def _stem(
    in_channels: int, channels: int, *, stride: int = 1, is_padded: bool = False
) -> ConvNormRelu:
    return ConvNormRelu(in_channels, Conv("", channels, _SQUARE, stride), is_padded=is_padded)


def _block_a(in_channels: int, pool_channels: int) -> Block:
    return Block(
        in_channels,
        (
            (Conv("branch1x1", 64, _POINT),),
            (Conv("branch5x5_1", 48, _POINT), Conv("branch5x5_2", 64, (5, 5))),
            (
                Conv("branch3x3dbl_1", 64, _POINT),
                Conv("branch3x3dbl_2", 96, _SQUARE),
                Conv("branch3x3dbl_3", 96, _SQUARE),
            ),
        ),
        "average",
        pool_channels,
    )


def _block_b() -> Block:
    branches = (
        (Conv("branch3x3", 384, _SQUARE, 2),),
        (
            Conv("branch3x3dbl_1", 64, _POINT),
            Conv("branch3x3dbl_2", 96, _SQUARE),
            Conv("branch3x3dbl_3", 96, _SQUARE, 2),
        ),
    )
    return Block(288, branches, "max_halved", 0)


def _block_c(inner: int) -> Block:
    branches = (
        (Conv("branch1x1", 192, _POINT),),
        (
            Conv("branch7x7_1", inner, _POINT),
            Conv("branch7x7_2", inner, _WIDE),
            Conv("branch7x7_3", 192, _TALL),
        ),
        (
            Conv("branch7x7dbl_1", inner, _POINT),
            Conv("branch7x7dbl_2", inner, _TALL),
            Conv("branch7x7dbl_3", inner, _WIDE),
            Conv("branch7x7dbl_4", inner, _TALL),
            Conv("branch7x7dbl_5", 192, _WIDE),
        ),
    )
    return Block(768, branches, "average", 192)


def _block_d() -> Block:
    branches = (
        (Conv("branch3x3_1", 192, _POINT), Conv("branch3x3_2", 320, _SQUARE, 2)),
        (
            Conv("branch7x7x3_1", 192, _POINT),
            Conv("branch7x7x3_2", 192, _WIDE),
            Conv("branch7x7x3_3", 192, _TALL),
            Conv("branch7x7x3_4", 192, _SQUARE, 2),
        ),
    )
    return Block(768, branches, "max_halved", 0)


def _block_e(in_channels: int, pool: Pool) -> Block:
    branches = (
        (Conv("branch1x1", 320, _POINT),),
        (
            Conv("branch3x3_1", 384, _POINT),
            Fork(Conv("branch3x3_2a", 384, (1, 3)), Conv("branch3x3_2b", 384, (3, 1))),
        ),
        (
            Conv("branch3x3dbl_1", 448, _POINT),
            Conv("branch3x3dbl_2", 384, _SQUARE),
            Fork(Conv("branch3x3dbl_3a", 384, (1, 3)), Conv("branch3x3dbl_3b", 384, (3, 1))),
        ),
    )
    return Block(in_channels, branches, pool, 192)
