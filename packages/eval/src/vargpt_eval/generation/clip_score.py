"""What different papers call the CLIP score, from cosines of image and text embeddings.

The VARGPT paper says no more than "CLIP"; its 27.4 can be the mean cosine times 100.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_schema import UserError

_HESSEL_WEIGHT = 2.5


class ClipScores(NamedTuple):
    """Four conventions of one set of cosines."""

    mean_cosine_100: float  # 100 x mean cosine; the headline
    torchmetrics: float  # the same, no less than 0
    clamped_each_100: float  # 100 x mean of the cosines, each no less than 0
    hessel: float  # 2.5 x mean of the cosines, each no less than 0 (Hessel et al. 2021)


def clip_scores(cosines: NDArray[np.floating]) -> ClipScores:
    """Of (N,) cosines. UserError for none, NaN or infinity."""
    values = cosines.astype(np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise UserError(
            f"cosines of shape {values.shape} found, at least one expected. "
            "Draw images for the prompts first."
        )
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise UserError(
            f"{bad} of {len(values)} cosines are NaN or infinite, finite numbers expected. "
            "Look at the pictures they belong to."
        )
    mean, clamped = float(values.mean()), float(values.clip(min=0.0).mean())
    return ClipScores(100 * mean, max(100 * mean, 0.0), 100 * clamped, _HESSEL_WEIGHT * clamped)
