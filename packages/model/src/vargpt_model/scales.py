"""Sizes of next-scale prediction (VAR, arXiv 2404.02905, section 3).

An image is S square code maps, coarse to fine; `patch_nums` holds their sides. L = sum(n * n) codes
in all. Code k of the flattened sequence belongs to the scale whose range `scale_ranges` gives.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

PatchNums = tuple[int, ...]


def num_codes(patch_nums: Sequence[int]) -> int:
    """L, the codes of one image: 680 for (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)."""
    return sum(side * side for side in patch_nums)


def scale_ranges(patch_nums: Sequence[int]) -> list[tuple[int, int]]:
    """Half-open range of each scale in the flattened codes: (0, 1), (1, 5), (5, 14), ..."""
    ends = list(accumulate(side * side for side in patch_nums))
    return list(zip([0, *ends[:-1]], ends, strict=True))


def checked_patch_nums(patch_nums: Sequence[int]) -> PatchNums:
    """`patch_nums` as a tuple; ValueError unless two or more whole numbers rise from 1 or more."""
    sides = tuple(patch_nums)
    whole = all(isinstance(side, int) for side in sides)
    rises = whole and all(left < right for left, right in pairwise(sides))
    if len(sides) < 2 or not rises or sides[0] < 1:
        raise ValueError(
            "patch_nums must be two or more sides that rise from 1 or more, all whole numbers, "
            f"got {sides}"
        )
    return sides
