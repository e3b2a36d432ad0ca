"""Seeded chance over whole arrays: 64-bit hashes of row numbers (splitmix64's finaliser).

What a row draws depends on the key and its number alone, not on a library's generator, on other
rows or on how many there are.
"""

import hashlib

import numpy as np

_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)


def key_of(*parts: str | int) -> np.uint64:
    """The 64-bit key of a stream of chance, named by its parts."""
    text = "\n".join(map(str, parts))
    return np.uint64(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


def mixed(values: np.ndarray) -> np.ndarray:
    """uint64: what `vargpt_schema.world.hashing.mixed` makes of each value."""
    with np.errstate(over="ignore"):
        z = values + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        z ^= z >> np.uint64(31)
    return z


def hashes(key: np.uint64, numbers: np.ndarray) -> np.ndarray:
    """uint64 hashes of non-negative whole numbers."""
    with np.errstate(over="ignore"):
        z = numbers.astype(np.uint64)
        z *= _GOLDEN
        z += key
    return mixed(z)


def choices(key: np.uint64, numbers: np.ndarray, size: int) -> np.ndarray:
    """int32 choices below `size`, even ones, for each number."""
    return (hashes(key, numbers) % np.uint64(size)).astype(np.int32)


def seeded_order(key: np.uint64, size: int) -> np.ndarray:
    """A uint32 permutation of range(size)."""
    return np.argsort(hashes(key, np.arange(size)), kind="stable").astype(np.uint32)
