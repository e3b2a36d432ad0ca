"""The two resamplings between the scales (VAR, algorithms 1 and 2)."""

import torch.nn.functional as F
from torch import Tensor


def area_down(features: Tensor, side: int) -> Tensor:
    """Mean over windows: (N, C, H, W) -> (N, C, side, side); itself where nothing changes."""
    if features.shape[-2:] == (side, side):
        return features
    return F.interpolate(features, size=(side, side), mode="area")


def bicubic_up(features: Tensor, side: int) -> Tensor:
    """Bicubic, a = -0.75, corners not aligned: (N, C, h, w) -> (N, C, side, side)."""
    if features.shape[-2:] == (side, side):
        return features
    return F.interpolate(features, size=(side, side), mode="bicubic")
