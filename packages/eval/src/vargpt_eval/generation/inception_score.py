"""Inception score (Salimans et al. 2016): exp of the mean KL of class shares to their mean."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.generation.feature_statistics import expect_finite
from vargpt_schema import UserError


class InceptionScore(NamedTuple):
    """Over the splits, as the paper reports it."""

    mean: float  # over the splits
    std: float


def inception_score(logits: NDArray[np.floating], *, num_splits: int = 10) -> InceptionScore:
    """Of (N, classes) logits, split in their order. UserError for fewer images than splits."""
    if len(logits) < num_splits:
        raise UserError(
            f"{len(logits)} images found, at least {num_splits} expected for the inception score. "
            "Draw more images, or choose fewer splits."
        )
    expect_finite(logits)
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    log_shares = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    scores = []
    for split in range(num_splits):
        start, end = (len(logits) * part // num_splits for part in (split, split + 1))
        part = log_shares[start:end]
        shares = np.exp(part)
        divergence = (shares * (part - np.log(shares.mean(axis=0)))).sum(axis=1)
        scores.append(np.exp(divergence.mean()))
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)))
