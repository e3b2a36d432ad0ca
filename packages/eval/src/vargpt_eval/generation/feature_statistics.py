"""Mean and covariance of image features, gathered batch by batch in float64.

N images seen    B images of a batch    D features
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.counted import counted
from vargpt_schema import UserError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStatistics:
    """What the Frechet distance needs of a set of images."""

    mean: Floats  # (D,)
    covariance: Floats  # (D, D), divided by N - 1
    num_images: int | None  # None where a file does not say
    extractor: str  # names the network, its weights and the resizing before it


class StatisticsStream:
    """Gathers FeatureStatistics; memory is three D x D matrices, whatever N.

    Batches are joined by their means and scatters (Chan, Golub, LeVeque 1979), so no large sums
    cancel. Streams of several processes are joined by `merge`.
    """

    def __init__(self, extractor: str) -> None:
        self.extractor = extractor
        self.num_images = 0
        self._mean: Floats = np.zeros(0)
        self._scatter: Floats = np.zeros((0, 0))  # sum of (x - mean)(x - mean)^T

    @classmethod
    def of(cls, statistics: FeatureStatistics) -> "StatisticsStream | None":
        """A stream that has seen what these are of; None where they do not say how many images."""
        if statistics.num_images is None:
            return None
        stream = cls(statistics.extractor)
        scatter = statistics.covariance * (statistics.num_images - 1)
        stream._join(statistics.num_images, statistics.mean, scatter)
        return stream

    def fits(self, statistics: FeatureStatistics) -> bool:
        """Whether they are as wide as what was seen."""
        return self._mean.shape == statistics.mean.shape

    def add(self, features: NDArray[np.floating]) -> None:
        """(B, D) of any float type. UserError for NaN or infinity."""
        if features.ndim != 2:
            raise ValueError(f"features must be (B, D); got {features.shape}")
        if len(features) == 0:
            return
        batch = features.astype(np.float64)
        expect_finite(batch, first=self.num_images)
        mean = batch.mean(axis=0)
        batch -= mean
        self._join(len(batch), mean, batch.T @ batch)

    def merge(self, other: "StatisticsStream") -> None:
        """Take in what another stream has seen."""
        if other.extractor != self.extractor:
            raise ValueError(f"extractors must agree; got {self.extractor} and {other.extractor}")
        if other.num_images:
            self._join(other.num_images, other._mean, other._scatter)

    def statistics(self) -> FeatureStatistics:
        """Of all images seen. UserError for fewer than two."""
        if self.num_images < 2:
            raise UserError(
                f"{counted(self.num_images, 'image')} found, at least two expected for a "
                "covariance. "
                "Draw or give more images."
            )
        return FeatureStatistics(
            mean=self._mean.copy(),
            covariance=self._scatter / (self.num_images - 1),
            num_images=self.num_images,
            extractor=self.extractor,
        )

    def _join(self, num_images: int, mean: Floats, scatter: Floats) -> None:
        if self.num_images == 0:
            self.num_images, self._mean, self._scatter = num_images, mean.copy(), scatter.copy()
            return
        if mean.shape != self._mean.shape:
            raise ValueError(f"features must be {self._mean.shape[0]} wide; got {mean.shape[0]}")
        total = self.num_images + num_images
        shift = mean - self._mean
        self._scatter += scatter
        self._scatter += np.outer(shift, shift * (self.num_images * num_images / total))
        self._mean = self._mean + shift * (num_images / total)
        self.num_images = total


def expect_finite(features: NDArray[np.floating], *, first: int = 0) -> None:
    """UserError naming the first image whose features hold NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        raise UserError(
            f"NaN or infinity found in the features of {counted(len(bad), 'image')}, first of "
            f"image {first + int(bad[0])} (from 0); finite numbers expected. Look at that image, "
            "or run the extractor in float32."
        )
