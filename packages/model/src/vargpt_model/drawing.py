"""Next-scale sampling: guided logits of one scale -> its codes -> the next scale's input.

B images, S scales, n codes of one scale, V codebook rows, E code width, H finest side.
The loop over scales belongs to the caller, because VARGPT's language model takes part in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from vargpt_model.image_tokenizer import ImageTokenizer
from vargpt_model.sampler import (
    exponential_noise,
    filtered_logits,
    row_generators,
    sample_codes,
    soft_codes,
)
from vargpt_model.visual_decoder import VisualDecoder


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingConfig:
    """How codes are chosen. Defaults: VAR's setting for FID."""

    guidance_scale: float = 1.5  # 0 = no guidance
    guidance_schedule: Literal["linear", "constant"] = "linear"  # from 0 at the first scale
    top_k: int = 900  # 0 = all
    top_p: float = 0.96  # 0 = off
    more_smooth: bool = False  # mixtures of codes instead of codes: smoother, not for FID

    def __post_init__(self) -> None:
        if self.guidance_schedule not in ("linear", "constant"):
            raise ValueError(
                f"guidance_schedule must be linear or constant, got {self.guidance_schedule!r}"
            )
        if self.guidance_scale < 0 or self.top_k < 0 or not 0 <= self.top_p <= 1:
            raise ValueError(
                "guidance_scale and top_k must be at least 0 and top_p in [0, 1], got "
                f"{self.guidance_scale}, {self.top_k} and {self.top_p}"
            )

    def guidance(self, scale: int, num_scales: int) -> float:
        """Weight t of one scale: linear rises from 0 to guidance_scale at the last."""
        if self.guidance_schedule == "constant":
            return self.guidance_scale
        return self.guidance_scale * scale / (num_scales - 1)


class Drawing(NamedTuple):
    """A batch of images and the codes they were decoded from."""

    images: Tensor  # (B, 3, 16H, 16H) float32 in [0, 1]
    code_ids: list[Tensor]  # S times (B, n)


class ScaleSampler:
    """The state of a batch of images between scales: the sum of codes and the random streams."""

    def __init__(
        self, tokenizer: ImageTokenizer, seeds: Sequence[int], config: DrawingConfig
    ) -> None:
        self.tokenizer = tokenizer
        self.config = config
        self.code_ids: list[Tensor] = []
        self.f_hat = tokenizer.quantize.no_codes(len(seeds))
        self._generators = row_generators(seeds, self.f_hat.device)

    def guided(self, logits: Tensor, null_logits: Tensor) -> Tensor:
        """(1 + t) logits - t null_logits at the scale to come: (B, n, V) -> same"""
        t = self.config.guidance(len(self.code_ids), len(self.tokenizer.config.patch_nums))
        return (1 + t) * logits.float() - t * null_logits.float()

    def step(self, logits: Tensor) -> Tensor | None:
        """Choose the codes of the scale to come: logits (B, n, V) -> next scale's features.

        The features (B, n', E) are None behind the last scale.
        """
        quantizer = self.tokenizer.quantize
        scale, last = len(self.code_ids), len(quantizer.patch_nums) - 1
        logits = filtered_logits(logits.float(), top_k=self.config.top_k, top_p=self.config.top_p)
        noise = exponential_noise(tuple(logits.shape[1:]), self._generators, logits.device)
        ids = sample_codes(logits, noise)
        codes = ids
        if self.config.more_smooth:
            ratio = scale / last
            weights = soft_codes(
                logits * (1 + ratio),
                exponential_noise(tuple(logits.shape[1:]), self._generators, logits.device),
                temperature=max(0.27 * (1 - 0.95 * ratio), 0.005),
            )
            codes = weights @ quantizer.embedding.weight.float()
        self.code_ids.append(ids)
        self.f_hat = quantizer.add_scale(self.f_hat, codes, scale)
        return None if scale == last else quantizer.next_features(self.f_hat, scale)

    def finish(self) -> Drawing:
        """Decode what was chosen."""
        images = self.tokenizer.decode_features(self.f_hat).float().add(1).div(2)
        return Drawing(images, self.code_ids)


@torch.inference_mode()
def draw_classes(
    decoder: VisualDecoder,
    tokenizer: ImageTokenizer,
    class_ids: Sequence[int],
    *,
    seeds: Sequence[int],
    config: DrawingConfig = DrawingConfig(),  # noqa: B008, frozen
) -> Drawing:
    """Draw one image a class id, row b from seed b alone (VAR's `autoregressive_infer_cfg`).

    `decoder.no_class` draws without a class. ValueError for ids outside the table, another number
    of seeds, a tokenizer of other sizes, or either of them in training mode.
    """
    _expect_drawable(decoder, tokenizer, class_ids, seeds)
    device = decoder.pos_start.device
    classes = torch.tensor(list(class_ids), device=device)
    rows = torch.cat([classes, torch.full_like(classes, decoder.no_class)])
    condition = decoder.conditions(rows)  # (2B, C): with class, without
    modulations = decoder.modulations(condition)
    cache = decoder.new_cache(len(rows))
    sampler = ScaleSampler(tokenizer, seeds, config)
    x = decoder.first_inputs(condition)
    for scale in range(len(decoder.ranges)):
        logits, null_logits = decoder.decode(x, modulations, cache).chunk(2)
        features = sampler.step(sampler.guided(logits, null_logits))
        if features is not None:
            x = decoder.next_inputs(features.to(x.dtype), scale + 1).repeat(2, 1, 1)
    return sampler.finish()


def _expect_drawable(
    decoder: VisualDecoder,
    tokenizer: ImageTokenizer,
    class_ids: Sequence[int],
    seeds: Sequence[int],
) -> None:
    if len(seeds) != len(class_ids) or not class_ids:
        raise ValueError(f"{len(class_ids)} classes and {len(seeds)} seeds: give one seed a class")
    if decoder.training or tokenizer.training:
        raise ValueError(
            "a visual decoder or image tokenizer in training mode found, where parts of it drop "
            "out at random; call .eval() on both before drawing"
        )
    outside = [index for index in class_ids if not 0 <= index <= decoder.no_class]
    if outside:
        raise ValueError(
            f"class {outside[0]} found, this decoder has 0 to {decoder.no_class - 1}, "
            f"and {decoder.no_class} for no class"
        )
    for name in ("patch_nums", "vocab_size", "code_dim"):
        ours, theirs = getattr(decoder.config, name), getattr(tokenizer.config, name)
        if ours != theirs:
            raise ValueError(
                f"{name}: the visual decoder has {ours}, the image tokenizer {theirs}; "
                "they must be equal"
            )
