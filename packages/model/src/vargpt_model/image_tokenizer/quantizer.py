"""Multi-scale vector quantisation (VAR, arXiv 2404.02905, algorithms 1 and 2).

N images, S scales with sides p_0 < ... < p_{S-1} = H, C code width, V codebook rows,
L = sum(p * p) codes. f is a feature map (N, C, H, H), f_hat its approximation by codes.
Everything here runs in float32, whatever autocast or the caller's dtype: codes would flip.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vargpt_model.image_tokenizer.codebook_use import CodebookUse
from vargpt_model.image_tokenizer.config import ImageTokenizerConfig
from vargpt_model.image_tokenizer.precision import full_float32
from vargpt_model.image_tokenizer.resampling import area_down, bicubic_up
from vargpt_model.image_tokenizer.residual_convolution import ResidualConvolutions
from vargpt_model.scales import checked_patch_nums, scale_ranges


class ScaleCodes(NamedTuple):
    """What one scale of the encoding adds."""

    code_ids: Tensor  # (N, p * p) int64, rows of the map one after the other
    f_hat: Tensor  # (N, C, H, H), the sum up to this scale
    vectors: Tensor  # (N, p * p, C), what the coarser scales left over; the codes are nearest to it


class QuantizerLoss(NamedTuple):
    """Result of the training pass."""

    f_hat: Tensor  # (N, C, H, H), gradient passes straight through to f
    loss: Tensor  # scalar
    code_ids: Tensor  # (N, L)
    vectors: Tensor  # (N, L, C), what each code stands for; no gradient


class MultiScaleQuantizer(CodebookUse):
    """Codebook, phi and the residual search over scales. Names are VAR's."""

    def __init__(self, config: ImageTokenizerConfig) -> None:
        num_scales = len(config.patch_nums)
        super().__init__(num_scales, config.vocab_size)
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.code_dim)
        self.quant_resi = ResidualConvolutions(
            config.code_dim, abs(config.phi_ratio), num_phi=config.num_phi, num_scales=num_scales
        )

    @property
    def patch_nums(self) -> tuple[int, ...]:
        """Sides of the code maps, coarse to fine."""
        return self.config.patch_nums

    def nearest_codes(self, vectors: Tensor) -> Tensor:
        """(..., C) -> (...) int64: argmin |z - e|^2, or the smallest angle with cosine codes.

        |z|^2 is the same for all e, so the search is argmax z.e - |e|^2 / 2.
        """
        codebook = self.embedding.weight.float()
        if self.config.cosine_codes:
            scores = F.normalize(vectors, dim=-1) @ F.normalize(codebook, dim=-1).T
        else:
            scores = vectors @ codebook.T - codebook.square().sum(dim=-1) / 2
        return scores.argmax(dim=-1)

    def encode(self, features: Tensor, patch_nums: Sequence[int] | None = None) -> list[ScaleCodes]:
        """Codes of (N, C, H, H) scale by scale: each explains what the coarser ones left over.

        `patch_nums` may differ from the configuration's; its last side must be H (ValueError).
        """
        with torch.no_grad(), full_float32(features.device):
            return list(self._residual_search(features.float(), patch_nums))

    def training_pass(self, features: Tensor) -> QuantizerLoss:
        """loss = mean_s [beta |sg(f_hat_s) - f|^2 + |f_hat_s - sg(f)|^2], and f_hat.

        The squares are means over all elements. Gradients reach codebook, phi and `features`, the
        last also straight through f_hat.
        """
        with full_float32(features.device):
            f = features.float()
            beta = self.config.commitment_weight
            scales = list(self._residual_search(f, None))
            losses = [
                beta * F.mse_loss(scale.f_hat.detach(), f) + F.mse_loss(scale.f_hat, f.detach())
                for scale in scales
            ]
            return QuantizerLoss(
                f + (scales[-1].f_hat - f).detach(),
                torch.stack(losses).mean(),
                torch.cat([scale.code_ids for scale in scales], dim=1),
                torch.cat([scale.vectors for scale in scales], dim=1),
            )

    def _residual_search(self, f: Tensor, patch_nums: Sequence[int] | None) -> Iterator[ScaleCodes]:
        sides = self.patch_nums if patch_nums is None else checked_patch_nums(patch_nums)
        if f.shape[-2:] != (sides[-1], sides[-1]):
            raise ValueError(
                f"a feature map of {tuple(f.shape[-2:])} does not fit patch_nums {sides}: "
                f"its sides must be {sides[-1]}"
            )
        rest = f.detach().clone()
        f_hat = torch.zeros_like(f)
        for scale, side in enumerate(sides):
            # Cloned, as `rest` itself comes back at the last scale, and changes below.
            vectors = area_down(rest, side).flatten(2).transpose(1, 2).clone()  # (N, p * p, C)
            ids = self.nearest_codes(vectors)
            added = self._contribution(ids, scale, sides)
            f_hat = f_hat + added
            rest -= added.detach()
            yield ScaleCodes(ids, f_hat, vectors)

    def f_hats(
        self, code_ids: Sequence[Tensor], patch_nums: Sequence[int] | None = None
    ) -> list[Tensor]:
        """Cumulative (N, C, H, H) after each scale, from the ids (N, p * p) of every scale."""
        sides = tuple(patch_nums or self.patch_nums)
        with full_float32(self.embedding.weight.device):
            sums, f_hat = [], self.no_codes(len(code_ids[0]), sides[-1])
            for scale, ids in enumerate(code_ids):
                f_hat = f_hat + self._contribution(ids, scale, sides)
                sums.append(f_hat)
            return sums

    def growing_f_hats(self, code_ids: Sequence[Tensor]) -> list[Tensor]:
        """As `f_hats`, each scale at its own size: (N, C, p, p), resized from the one before."""
        with full_float32(self.embedding.weight.device):
            sums: list[Tensor] = []
            for scale, (ids, side) in enumerate(zip(code_ids, self.patch_nums, strict=True)):
                added = self.quant_resi(self._code_map(ids, side), scale, len(self.patch_nums))
                sums.append(bicubic_up(sums[-1], side) + added if sums else added)
            return sums

    def teacher_forcing_features(self, code_ids: Tensor) -> Tensor:
        """(N, L') ids, whole scales from the first -> (N, next scales' codes, C) decoder inputs.

        Scale k + 1 is fed the sum of scales 0..k, brought down to its size; the first scale is fed
        nothing and the codes of the last are not used, so ids of all L codes give L - p_0^2 rows,
        and no ids give none. ValueError for ids that end within a scale, or that no row of the
        codebook has.
        """
        ranges, length = scale_ranges(self.patch_nums), code_ids.shape[1]
        if length and length not in {end for _, end in ranges}:
            raise ValueError(
                f"{length} codes found: they must end with a scale of patch_nums {self.patch_nums}"
            )
        # On a GPU looking would wait for it, and the lookup itself stops the run.
        if code_ids.device.type == "cpu" and code_ids.numel():
            low, high = code_ids.min().item(), code_ids.max().item()
            if low < 0 or high >= self.config.vocab_size:
                raise ValueError(
                    f"codes from {low} to {high} found: a codebook of {self.config.vocab_size} "
                    f"has 0 to {self.config.vocab_size - 1}"
                )
        with full_float32(code_ids.device):
            f_hat = self.no_codes(len(code_ids))
            rows = [f_hat.new_zeros(len(code_ids), 0, self.config.code_dim)]
            for scale, (start, end) in enumerate(ranges[:-1]):
                if end > length:
                    break
                f_hat = f_hat + self._contribution(code_ids[:, start:end], scale, self.patch_nums)
                rows.append(self.next_features(f_hat, scale))
            return torch.cat(rows, dim=1)

    def no_codes(self, num_images: int, side: int | None = None) -> Tensor:
        """The f_hat before the first scale: zeros (N, C, H, H)."""
        side = side or self.patch_nums[-1]
        return self.embedding.weight.new_zeros(
            num_images, self.config.code_dim, side, side, dtype=torch.float32
        )

    def next_features(self, f_hat: Tensor, scale: int) -> Tensor:
        """What the decoder sees at scale + 1: (N, C, H, H) -> (N, p * p, C)."""
        return area_down(f_hat, self.patch_nums[scale + 1]).flatten(2).transpose(1, 2)

    def add_scale(self, f_hat: Tensor, codes: Tensor, scale: int) -> Tensor:
        """f_hat with one scale more; `codes` are ids (N, p * p) or vectors (N, p * p, C)."""
        with full_float32(f_hat.device):
            return f_hat + self._contribution(codes, scale, self.patch_nums)

    def _contribution(self, codes: Tensor, scale: int, patch_nums: Sequence[int]) -> Tensor:
        """phi(up(E[ids])): (N, p * p) or (N, p * p, C) -> (N, C, H, H)"""
        code_map = self._code_map(codes, patch_nums[scale])
        return self.quant_resi(bicubic_up(code_map, patch_nums[-1]), scale, len(patch_nums))

    def _code_map(self, codes: Tensor, side: int) -> Tensor:
        vectors = codes if codes.is_floating_point() else self.embedding(codes)
        return vectors.float().transpose(1, 2).unflatten(-1, (side, side))
