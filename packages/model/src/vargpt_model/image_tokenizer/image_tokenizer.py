"""Image tokenizer: pixels <-> codes of several scales (the VQ-VAE of VAR, arXiv 2404.02905).

N images, C code width, H = patch_nums[-1] features a side, 16 pixels a feature, L codes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vargpt_model.image_tokenizer.config import ImageTokenizerConfig
from vargpt_model.image_tokenizer.encoder import Encoder
from vargpt_model.image_tokenizer.pixel_decoder import PixelDecoder
from vargpt_model.image_tokenizer.precision import full_float32
from vargpt_model.image_tokenizer.quantizer import MultiScaleQuantizer
from vargpt_model.scales import checked_patch_nums, scale_ranges


class Reconstruction(NamedTuple):
    """Result of the training pass."""

    pixels: Tensor  # (N, 3, 16H, 16H), not bounded
    quantizer_loss: Tensor  # scalar
    code_ids: Tensor  # (N, L)
    vectors: Tensor  # (N, L, C), what each code stands for; no gradient


class ImageTokenizer(nn.Module):
    """Encoder, quantizer and pixel decoder. Parameter names are those of VAR's checkpoint.

    Pixels are in [-1, 1]. Codes are found in float32 always, under autocast too, and with the
    weights in float32: hold this module in float32 inside a model of another dtype.
    """

    def __init__(self, config: ImageTokenizerConfig) -> None:
        super().__init__()
        self.config = config
        padding = config.quant_conv_kernel // 2
        self.encoder = Encoder(config)
        self.decoder = PixelDecoder(config)
        self.quantize = MultiScaleQuantizer(config)
        self.quant_conv = nn.Conv2d(
            config.code_dim, config.code_dim, config.quant_conv_kernel, padding=padding
        )
        self.post_quant_conv = nn.Conv2d(
            config.code_dim, config.code_dim, config.quant_conv_kernel, padding=padding
        )

    def features(self, pixels: Tensor) -> Tensor:
        """f = quant_conv(encoder(x)): (N, 3, 16H, 16H) -> (N, C, H, H), float32"""
        with full_float32(pixels.device):
            return self.quant_conv(self.encoder(pixels.float()))

    @torch.no_grad()
    def encode(self, pixels: Tensor, patch_nums: Sequence[int] | None = None) -> list[Tensor]:
        """Codes of every scale, coarse to fine: (N, 3, 16H, 16H) -> S times (N, p * p) int64.

        ValueError when the image does not fit `patch_nums` (default: the configuration's).
        """
        scales = self.quantize.encode(self.features(pixels), patch_nums)
        return [scale.code_ids for scale in scales]

    def decode_features(self, f_hat: Tensor) -> Tensor:
        """(N, C, H, H) -> (N, 3, 16H, 16H), cut to [-1, 1]"""
        weight = self.post_quant_conv.weight
        return self.decoder(self.post_quant_conv(f_hat.to(weight.dtype))).clamp(-1, 1)

    @torch.no_grad()
    def decode(self, code_ids: Sequence[Tensor], patch_nums: Sequence[int] | None = None) -> Tensor:
        """Images of the codes of all scales: S times (N, p * p) -> (N, 3, 16H, 16H) in [-1, 1]

        Fewer scales give a coarser image. ValueError for codes outside the codebook, and for
        numbers of codes that are not those of `patch_nums` (default: the configuration's).
        """
        self._expect_codes(code_ids, patch_nums)
        return self.decode_features(self.quantize.f_hats(code_ids, patch_nums)[-1])

    @torch.no_grad()
    def decode_each_scale(
        self, code_ids: Sequence[Tensor], *, at_own_size: bool = False
    ) -> list[Tensor]:
        """What the first 1, 2, ..., S scales show; at their own, growing sizes if asked."""
        self._expect_codes(code_ids, None)
        quantizer = self.quantize
        sums = quantizer.growing_f_hats(code_ids) if at_own_size else quantizer.f_hats(code_ids)
        return [self.decode_features(f_hat) for f_hat in sums]

    def split_scales(self, code_ids: Tensor) -> list[Tensor]:
        """(N, L) -> S times (N, p * p)"""
        return [code_ids[:, start:end] for start, end in scale_ranges(self.config.patch_nums)]

    def forward(self, pixels: Tensor) -> Reconstruction:
        """Training pass; gradients reach every parameter."""
        quantized = self.quantize.training_pass(self.features(pixels))
        rebuilt = self.decoder(self.post_quant_conv(quantized.f_hat))
        return Reconstruction(rebuilt, quantized.loss, quantized.code_ids, quantized.vectors)

    def forward_without_codes(self, pixels: Tensor) -> Tensor:
        """The pass of an autoencoder, past the quantizer: (N, 3, 16H, 16W) -> same"""
        return self.decoder(self.post_quant_conv(self.features(pixels)))

    def _expect_codes(self, code_ids: Sequence[Tensor], patch_nums: Sequence[int] | None) -> None:
        sides = checked_patch_nums(patch_nums or self.config.patch_nums)
        found = [ids.shape[1] for ids in code_ids]
        if not found or found != [side * side for side in sides][: len(found)]:
            raise ValueError(f"scales of {found} codes found, they do not fit patch_nums {sides}")
        for scale, ids in enumerate(code_ids):
            if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < self.config.vocab_size:
                raise ValueError(
                    f"scale {scale}: codes {int(ids.min())} to {int(ids.max())} found, a codebook "
                    f"of {self.config.vocab_size} rows has 0 to {self.config.vocab_size - 1}"
                )
