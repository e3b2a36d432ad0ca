"""Choosing codes from logits: top-k, top-p, one random stream a row.

B rows, n codes of a scale, V codebook rows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def filtered_logits(logits: Tensor, *, top_k: int = 0, top_p: float = 0.0) -> Tensor:
    """`logits` (..., V) with what top-k, then top-p, rules out set to -inf.

    Top-k keeps every logit that equals the k-th largest; 0 keeps all. Top-p keeps a code while the
    codes before it, in falling order, hold less than `top_p` of the probability that top-k left;
    the best code always stays; 0 keeps all.
    """
    top_k = min(top_k, logits.shape[-1])
    if top_p <= 0:
        if top_k <= 0:
            return logits
        kth = logits.topk(top_k, dim=-1).values[..., -1:]
        return logits.masked_fill(logits < kth, -torch.inf)
    rising, order = logits.sort(dim=-1)
    if top_k > 0:
        rising = rising.masked_fill(rising < rising[..., -top_k, None], -torch.inf)
    # Added up from the small end, as VAR does: behind the large ones float32 loses the small, and
    # top_p = 1 would drop hundreds of codes.
    dropped = rising.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
    dropped[..., -1] = False
    rising = rising.masked_fill(dropped, -torch.inf)
    return torch.empty_like(logits).scatter_(-1, order, rising)


def row_generators(seeds: Sequence[int], device: torch.device) -> list[torch.Generator]:
    """One random stream a row, so that a row's codes do not depend on its neighbours."""
    return [torch.Generator(device).manual_seed(seed) for seed in seeds]


def exponential_noise(
    shape: tuple[int, ...], generators: Sequence[torch.Generator], device: torch.device
) -> Tensor:
    """(B, *shape) float32 draws of Exp(1), row b from generator b."""
    noise = torch.empty(len(generators), *shape, device=device)
    for row, generator in zip(noise, generators, strict=True):
        row.exponential_(generator=generator)
    return noise


def sample_codes(logits: Tensor, noise: Tensor) -> Tensor:
    """One draw from softmax(logits) each: (B, n, V) logits, Exp(1) noise -> (B, n) int64.

    argmax_v p_v / e_v with e ~ Exp(1) is distributed as p: the race of exponential clocks.
    """
    return (logits - noise.log()).argmax(dim=-1)


def soft_codes(logits: Tensor, noise: Tensor, *, temperature: float) -> Tensor:
    """Gumbel-softmax weights over the codebook: (B, n, V) -> same  (arXiv 1611.01144, eq. 2)"""
    return ((logits - noise.log()) / temperature).softmax(dim=-1)
