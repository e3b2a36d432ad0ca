"""Code inputs left out in training, so that the text is read where codes could be."""

import torch
from torch import Tensor


def without_some(features: Tensor, code_dropout: float) -> Tensor:
    """Code inputs (N, l, E) of which some images keep none, as many about half."""
    drawn = torch.rand(len(features), 1, 1, device=features.device)
    is_half = torch.rand(*features.shape[:2], 1, device=features.device) < 0.5
    return features.masked_fill(
        (drawn < code_dropout) | ((drawn < 2 * code_dropout) & is_half), 0.0
    )
