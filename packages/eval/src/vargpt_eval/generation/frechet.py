"""Frechet distance of two normal distributions (Heusel et al. 2017, FID).

|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2)

The last trace is the nuclear norm of A^T B for any factors S1 = A A^T, S2 = B B^T: the square roots
of the eigenvalues of a symmetric matrix, without any matrix square root.
D features    R1, R2 ranks
"""

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
    distance = shift @ shift + traces - 2 * root_trace(one.covariance, other.covariance)
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
    rounding, both matrices are reduced to their ranks first, so that no square root is taken of it.
    """
    try:
        lower = np.linalg.cholesky(one)
    except np.linalg.LinAlgError:
        return _root_trace_of_ranks(one, other)
    eigenvalues = np.linalg.eigvalsh(_congruence(other, lower))  # ascending
    if eigenvalues[0] <= len(one) * np.finfo(np.float64).eps * eigenvalues[-1]:
        return _root_trace_of_ranks(one, other)
    return float(np.sqrt(eigenvalues).sum())


def _root_trace_of_ranks(one: Floats, other: Floats) -> float:
    product = factor(one).T @ factor(other)  # (R1, R2)
    is_wide = product.shape[0] < product.shape[1]
    gram = product @ product.T if is_wide else product.T @ product
    return float(np.sqrt(np.linalg.eigvalsh(gram).clip(min=0.0)).sum())


def _congruence(matrix: Floats, lower: Floats) -> Floats:
    """L^T M L below its diagonal blocks; blocks of L that are nothing are not multiplied."""
    size = len(matrix)
    half, full = np.empty_like(matrix), np.zeros_like(matrix)
    for start in range(0, size, _BLOCK):
        end = start + _BLOCK
        half[:, start:end] = matrix[:, start:] @ lower[start:, start:end]
    for start in range(0, size, _BLOCK):
        end = start + _BLOCK
        full[start:end, :end] = lower[start:, start:end].T @ half[start:, :end]
    return full


def factor(covariance: Floats) -> Floats:
    """(D, R) A with A A^T = covariance, R its numerical rank."""
    smallest = _smallest_pivot(covariance)
    try:
        lower = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return _pivoted_factor(covariance, smallest)
    if np.diagonal(lower).min() ** 2 <= smallest:
        return _pivoted_factor(covariance, smallest)
    return lower


def _smallest_pivot(covariance: Floats) -> float:
    """What rounding leaves of a pivot that is nothing."""
    return len(covariance) * np.finfo(np.float64).eps * float(np.diagonal(covariance).max())


def _pivoted_factor(covariance: Floats, smallest: float) -> Floats:
    """Cholesky with diagonal pivoting, ended where only rounding is left (Higham 1990)."""
    size = len(covariance)
    columns = np.zeros((size, size), order="F")
    left = np.diagonal(covariance).copy()  # of the diagonal
    for rank in range(size):
        pivot = int(left.argmax())
        if left[pivot] <= smallest:
            return columns[:, :rank]
        done = columns[:, :rank]
        column = (covariance[:, pivot] - done @ done[pivot]) / np.sqrt(left[pivot])
        columns[:, rank] = column
        left -= column**2
        left[pivot] = -np.inf  # never again
    return columns
