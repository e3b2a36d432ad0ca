"""Loss weights of codes, and loss and accuracy scale by scale. B images, S scales, L codes."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from vargpt_model.scales import num_codes, scale_ranges


def code_weights(patch_nums: Sequence[int], weights: Literal["codes", "scales"]) -> Tensor:
    """(L,) weights that add up to 1: 1 / L each, or the same sum for every scale."""
    if weights == "codes":
        return torch.full((num_codes(patch_nums),), 1 / num_codes(patch_nums))
    return torch.cat(
        [torch.full((side * side,), 1 / (len(patch_nums) * side * side)) for side in patch_nums]
    )


def mean_by_scale(values: Tensor, patch_nums: Sequence[int]) -> Tensor:
    """Means over images and the codes of each scale: (B, L) -> (S,)"""
    return torch.stack([values[:, start:end].mean() for start, end in scale_ranges(patch_nums)])
