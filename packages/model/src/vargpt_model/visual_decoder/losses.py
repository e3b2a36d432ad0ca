"""Cross-entropy of codes (VAR, section 3.2). B images, L codes, V codebook rows."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from vargpt_model.scales import num_codes, scale_ranges


def code_cross_entropy(logits: Tensor, code_ids: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Loss of every code, unshifted: (B, L, V), (B, L) -> (B, L) float32"""
    return F.cross_entropy(
        logits.float().transpose(1, 2),
        code_ids,
        reduction="none",
        label_smoothing=label_smoothing,
    )


def progressive_weights(
    patch_nums: Sequence[int], newest_scale: int, *, newest_weight: float
) -> Tensor:
    """Weights of the codes up to `newest_scale` for training that adds scales one by one: (l,).

    Each is 1 / L with the L of all scales, the newest scale's codes times `newest_weight`. The
    training loss is the sum over the weighted codes, averaged over images.
    """
    start, end = scale_ranges(patch_nums)[newest_scale]
    weights = torch.full((end,), 1 / num_codes(patch_nums))
    weights[start:] *= newest_weight
    return weights
