"""Frechet distance of two normal distributions (Heusel et al. 2017, FID).

|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)

The last trace is the nuclear norm of A^T B for any factors S1 = A A^T, S2 = B B^T: the square roots
of the eigenvalues of a symmetric matrix, without any matrix square root.
D features    R1, R2 ranks
"""

import sys
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.generation.feature_statistics import FeatureStatistics
from vargpt_schema import UserError

_BLOCK = 256

Floats = NDArray[np.floating]


def frechet_distance(one: FeatureStatistics, other: FeatureStatistics) -> float:
    """Squared distance, as FID is reported; singular covariances included.

    UserError for statistics of different extractors or widths.
    """
    expect_comparable(one, other)
    shift = one.mean - other.mean
    traces = np.trace(one.covariance) + np.trace(other.covariance)
    fewer, more = sorted((one, other), key=lambda each: each.num_images or sys.maxsize)
    distance = shift @ shift + traces - 2 * root_trace(fewer.covariance, more.covariance)
    return max(float(distance), 0.0)  # rounding alone makes it negative


def expect_comparable(one: FeatureStatistics, other: FeatureStatistics) -> None:
    """UserError unless both come from one extractor."""
    if one.extractor != other.extractor:
        raise UserError(
            f"statistics of extractor {one.extractor!r} and {other.extractor!r} found, one for "
            "both expected. Make both with the same extractor."
        )
    if one.mean.shape != other.mean.shape:
        raise UserError(
            f"statistics of {len(one.mean)} and {len(other.mean)} features found, as many "
            "expected. Make both with the same extractor."
        )


def root_trace(one: Floats, other: Floats) -> float:
    """tr (S1 S2)^(1/2) of two positive semidefinite matrices (D, D).

    With S1 = L L^T the eigenvalues are those of L^T S2 L. Where the smallest of them is lost in
    rounding, S2 is reduced to its rank too, so that no square root is taken of it. In any order
    right; quicker with the matrix of lower rank first.
    """
    root = factor(one)
    eigenvalues = np.linalg.eigvalsh(_congruence(other, root))  # ascending
    if len(eigenvalues) == 0:
        return 0.0
    if eigenvalues[0] <= len(one) * np.finfo(np.float64).eps * eigenvalues[-1]:
        product = root.columns().T @ factor(other).columns()  # (R1, R2)
        is_wide = product.shape[0] < product.shape[1]
        gram = product @ product.T if is_wide else product.T @ product
        eigenvalues = np.linalg.eigvalsh(gram).clip(min=0.0)
    return float(np.sqrt(eigenvalues).sum())


class Factor(NamedTuple):
    """Cholesky factor L of a covariance S: S[order][:, order] = L L^T."""

    lower: Floats  # (D, R), R the numerical rank; nothing above the diagonal
    order: NDArray[np.intp] | None  # (D,) of the pivots; None: as they are

    def columns(self) -> Floats:
        """(D, R) A with A A^T = S."""
        if self.order is None:
            return self.lower
        columns = np.empty_like(self.lower)
        columns[self.order] = self.lower
        return columns


def factor(covariance: Floats) -> Factor:
    """By Cholesky; with pivots where that is not positive definite beyond rounding."""
    # What rounding leaves of a pivot that is nothing.
    smallest = len(covariance) * np.finfo(np.float64).eps * float(np.diagonal(covariance).max())
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return _pivoted_factor(covariance, smallest)
    if np.diagonal(lower).min() ** 2 <= smallest:
        return _pivoted_factor(covariance, smallest)
    return Factor(lower, None)


def _pivoted_factor(covariance: Floats, smallest: float) -> Factor:
    """Ends where only rounding is left (Higham 1990), in blocks (Lucas 2004)."""
    size = len(covariance)
    rest = covariance.copy()  # less the columns of all finished blocks
    lower, order = np.zeros((size, size)), np.arange(size)
    for start in range(0, size, _BLOCK):
        end = min(start + _BLOCK, size)
        left = np.diagonal(rest).copy()
        for rank in range(start, end):
            pivot = rank + int(left[rank:].argmax())
            if left[pivot] <= smallest:
                return Factor(lower[:, :rank], order)
            swap, swapped = [rank, pivot], [pivot, rank]
            for rows in (rest, lower, left, order):
                rows[swap] = rows[swapped]
            rest[:, swap] = rest[:, swapped]
            column = rest[rank:, rank] - lower[rank:, start:rank] @ lower[rank, start:rank]
            lower[rank:, rank] = column / np.sqrt(left[rank])
            left[rank:] -= lower[rank:, rank] ** 2
        block = lower[end:, start:end]
        rest[end:, end:] -= block @ block.T
    return Factor(lower, order)


def _congruence(matrix: Floats, root: Factor) -> Floats:
    """(R, R) L^T M L below its diagonal blocks; blocks of L that are nothing are not multiplied."""
    lower, (size, rank) = root.lower, root.lower.shape
    matrix = matrix if root.order is None else matrix[np.ix_(root.order, root.order)]
    half, full = np.empty((size, rank)), np.zeros((rank, rank))
    for start in range(0, rank, _BLOCK):
        end = start + _BLOCK
        half[:, start:end] = matrix[:, start:] @ lower[start:, start:end]
    for start in range(0, rank, _BLOCK):
        end = start + _BLOCK
        full[start:end, :end] = lower[start:, start:end].T @ half[start:, :end]
    return full
