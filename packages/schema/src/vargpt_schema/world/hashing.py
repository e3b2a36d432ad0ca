"""The sample world's only source of chance: a fixed 64-bit hash of an index (splitmix64)."""

_MASK = 0xFFFF_FFFF_FFFF_FFFF


def mixed(value: int) -> int:
    """64 well-mixed bits of any integer; the same on every machine and Python version."""
    value = (value + 0x9E37_79B9_7F4A_7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB) & _MASK
    return value ^ (value >> 31)


def shuffled(count: int, seed: int) -> tuple[int, ...]:
    """0 to count - 1 in an order that the seed decides."""
    return tuple(sorted(range(count), key=lambda item: mixed((seed << 32) + item)))
