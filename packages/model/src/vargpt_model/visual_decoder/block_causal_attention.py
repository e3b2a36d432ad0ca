"""Attention in which a code sees its own scale and all coarser ones.

B rows, H heads, L codes, K channels of a head.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Up to here one call with a mask is cheaper than one call a scale.
MASKED_CODES = 256


def block_causal_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    ranges: list[tuple[int, int]],
    *,
    scale: float,
    dropout: float = 0.0,
) -> Tensor:
    """(B, H, L, K) queries, keys and values -> (B, H, L, K).

    `ranges` are the scales' half-open ranges; L may end with any scale. Small scales share one
    masked call. Every larger scale is a call of its own on the keys up to its end, where no mask is
    needed: that keeps flash attention and skips the pairs that the mask would hide.
    """
    present = [(start, end) for start, end in ranges if end <= q.shape[2]]
    small = [(start, end) for start, end in present if end <= MASKED_CODES]
    calls = ([(0, small[-1][1])] if small else []) + present[len(small) :]
    mask = block_causal_mask(small, q.device) if len(small) > 1 else None
    outputs = []
    for (start, end), queries in zip(
        calls, q.split([end - start for start, end in calls], dim=2), strict=True
    ):
        outputs.append(
            F.scaled_dot_product_attention(
                queries,
                k[:, :, :end],
                v[:, :, :end],
                attn_mask=mask if start == 0 else None,
                dropout_p=dropout,
                scale=scale,
            )
        )
    return torch.cat(outputs, dim=2)


def scale_ids(ranges: list[tuple[int, int]], device: torch.device | None = None) -> Tensor:
    """(L,) int64: the scale of every code, 0 the coarsest."""
    lengths = torch.tensor([end - start for start, end in ranges], device=device)
    return torch.arange(len(ranges), device=device).repeat_interleave(
        lengths, output_size=ranges[-1][1]
    )


def block_causal_mask(ranges: list[tuple[int, int]], device: torch.device | None = None) -> Tensor:
    """(L, L) bool, True where the row's code may see the column's.

    Scales of 1 and 2 codes: [[1, 0, 0], [1, 1, 1], [1, 1, 1]].
    """
    ids = scale_ids(ranges, device)
    return ids[:, None] >= ids[None, :]
