"""The codebook as moving averages of what its codes stand for, with new starts for dead codes.

VQ-VAE with exponential moving averages (arXiv 1711.00937, appendix A.1); codes that are hardly
chosen start again from a vector of the batch (Jukebox, arXiv 2005.00341, section 3.1).
M vectors of a step, S scales, V codebook rows, C code width.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vargpt_model.image_tokenizer import MultiScaleQuantizer
from vargpt_model.image_tokenizer.resampling import area_down, bicubic_up
from vargpt_model.image_tokenizer.residual_convolution import ResidualConvolution

NUM_LLOYD_STEPS = 10
FEWEST_HITS = 1e-5  # keeps the mean of a code that nothing chose finite


@dataclass(frozen=True, slots=True, kw_only=True)
class CodebookConfig:
    """How codes follow their vectors."""

    decay: float = 0.97  # of the averages, a step
    dead_hits: float = 0.05  # moving average of hits a step below which a code starts again


class CodebookState(NamedTuple):
    """How much of the codebook is alive."""

    num_used: int  # codes above the dead mark
    perplexity: float  # exp of the entropy of use; V when all are used equally


class CodebookLearning:
    """Owns the averages; writes the codebook of a quantizer after every step."""

    def __init__(self, quantizer: MultiScaleQuantizer, config: CodebookConfig) -> None:
        self.quantizer = quantizer
        self.config = config
        weight = quantizer.embedding.weight
        weight.requires_grad_(False)
        self.hits = torch.zeros(len(weight), device=weight.device)  # (V,)
        self.sums = torch.zeros_like(weight)  # (V, C)

    @torch.no_grad()
    def start_from(self, features: Tensor) -> None:
        """Begin with the k means of (N, C, H, H) features, and phi as the identity.

        The vectors of the scales are those of a search that loses nothing, as many of each.
        """
        for module in self.quantizer.modules():
            if isinstance(module, ResidualConvolution):
                nn.init.dirac_(module.weight)
                nn.init.zeros_(module.bias)  # pyright: ignore[reportArgumentType]
        means = k_means(_balanced(_pyramid(features, self.quantizer.patch_nums)), len(self.hits))
        self.quantizer.embedding.weight.copy_(means)
        self.sums.copy_(means)
        self.hits.fill_(1.0)

    @torch.no_grad()
    def follow(self, vectors: Tensor, code_ids: Tensor, *, may_restart: bool) -> int:
        """Move codes towards the (M, C) vectors that chose them (M,); returns restarted codes."""
        kept = self.config.decay
        hits = torch.bincount(code_ids, minlength=len(self.hits)).float()
        sums = torch.zeros_like(self.sums).index_add_(0, code_ids, vectors)
        self.hits.mul_(kept).add_(hits, alpha=1 - kept)
        self.sums.mul_(kept).add_(sums, alpha=1 - kept)
        dead = self.hits < self.config.dead_hits
        num_dead = int(dead.sum()) if may_restart else 0
        if num_dead:
            chosen = torch.randint(len(vectors), (num_dead,), device=vectors.device)
            self.sums[dead] = vectors[chosen]
            self.hits[dead] = 1.0
        # Codes that nothing chose for long stay where they were.
        is_fed = (self.hits > FEWEST_HITS)[:, None]
        means = self.sums / self.hits.clamp_min(FEWEST_HITS)[:, None]
        weight = self.quantizer.embedding.weight
        weight.copy_(torch.where(is_fed, means, weight))
        return num_dead

    def state(self) -> CodebookState:
        """Use of the codebook over all scales."""
        share = self.hits / self.hits.sum().clamp_min(FEWEST_HITS)
        entropy = -(share * share.clamp_min(1e-12).log()).sum()
        num_used = int((self.hits >= self.config.dead_hits).sum())
        return CodebookState(num_used, float(entropy.exp()))

    def state_dict(self) -> dict[str, Any]:
        """The averages."""
        return {"hits": self.hits, "sums": self.sums}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from such averages."""
        self.hits.copy_(state["hits"])
        self.sums.copy_(state["sums"])


def k_means(vectors: Tensor, num_means: int) -> Tensor:
    """Lloyd's algorithm from random vectors: (M, C) -> (num_means, C)"""
    means = vectors[_random_rows(len(vectors), num_means, vectors.device)].clone()
    for _ in range(NUM_LLOYD_STEPS):
        nearest = (vectors @ means.T - means.square().sum(dim=1) / 2).argmax(dim=1)
        counts = torch.bincount(nearest, minlength=num_means)
        sums = torch.zeros_like(means).index_add_(0, nearest, vectors)
        is_empty = counts == 0
        means = torch.where(is_empty[:, None], means, sums / counts.clamp_min(1)[:, None])
        num_empty = int(is_empty.sum())
        means[is_empty] = vectors[_random_rows(len(vectors), num_empty, vectors.device)]
    return means


def _random_rows(num_rows: int, count: int, device: torch.device) -> Tensor:
    """(count,) rows, different ones while there are enough."""
    rounds = [torch.randperm(num_rows, device=device) for _ in range(-(-count // num_rows))]
    return torch.cat([*rounds, torch.empty(0, dtype=torch.long, device=device)])[:count]


def _pyramid(features: Tensor, patch_nums: tuple[int, ...]) -> list[Tensor]:
    """What every scale would be asked to explain, were the coarser ones exact: S times (m, C)"""
    f_hat, vectors = torch.zeros_like(features), []
    for side in patch_nums:
        rest = area_down(features - f_hat, side)
        f_hat = f_hat + bicubic_up(rest, patch_nums[-1])
        vectors.append(rest.permute(0, 2, 3, 1).flatten(0, 2))
    return vectors


def _balanced(vectors: list[Tensor]) -> Tensor:
    """At most as many vectors of each scale as the coarsest but one has: (M, C)"""
    count = len(vectors[1])
    return torch.cat(
        [scale[_random_rows(len(scale), min(count, len(scale)), scale.device)] for scale in vectors]
    )
