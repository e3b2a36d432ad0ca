"""Which rows of a source are drawn: decided by a seeded hash of each row, by no order of files."""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Selected(NamedTuple):
    """Numbers of rows, ascending."""

    accepted: np.ndarray
    rejected: np.ndarray  # drawn, found faulty, and replaced as long as there were others


class RowHash:
    """64 bits of a seed and a row's texts: the same wherever the row stands."""

    def __init__(self, seed: int) -> None:
        key = seed.to_bytes(16, "little", signed=True)
        self._start = hashlib.blake2b(digest_size=8, key=key)

    def __call__(self, parts: Sequence[str]) -> int:
        state = self._start.copy()
        state.update("\x1f".join(parts).encode("utf-8", "surrogatepass"))
        return int.from_bytes(state.digest(), "little")


def draw_order(hashes: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Rows in the order they are drawn; a fraction f leaves 1 - f of its rows out of the draw.

    Sequential Poisson sampling (Ohlsson 1998): the first n rows by hash / fraction are a draw of n
    from a recipe that holds each row with its fraction, and the next in line replaces a bad one.
    `hashes` uint64, `fractions` float64 above 0, both of one length.
    """
    keys = hashes / 2.0**64 / fractions
    inside = np.flatnonzero(keys < 1)
    return inside[np.argsort(keys[inside], kind="stable")]


def select(order: np.ndarray, wanted: int, judge: Callable[[np.ndarray], np.ndarray]) -> Selected:
    """The first `wanted` good rows of an order; fewer when it ends.

    `judge` gets ascending numbers and gives True for the good ones. Each row is judged once, in
    waves as long as rows are missing.
    """
    accepted, rejected = [order[:0]], [order[:0]]
    start = missing = 0
    while (missing := wanted - sum(map(len, accepted))) > 0 and start < len(order):
        wave = np.sort(order[start : start + missing])
        start += missing
        is_good = judge(wave)
        accepted.append(wave[is_good])
        rejected.append(wave[~is_good])
    return Selected(np.sort(np.concatenate(accepted)), np.sort(np.concatenate(rejected)))
