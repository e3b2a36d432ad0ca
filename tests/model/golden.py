"""The golden vectors and the small models they were computed with (tests/golden/README.md)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from vargpt_model import (
    ImageTokenizer,
    ImageTokenizerConfig,
    VisualDecoder,
    VisualDecoderConfig,
)

FOLDER = Path(__file__).parents[1] / "golden"
TINY_PATCH_NUMS = (1, 2, 3, 4)


@cache
def vectors(name: str) -> dict[str, Tensor]:
    """Tensors of one file."""
    return load_file(FOLDER / f"{name}.safetensors")


@cache
def facts() -> dict[str, Any]:
    """The companion of the tensors."""
    return json.loads((FOLDER / "golden.json").read_text("utf-8"))


def weights(prefix: str) -> dict[str, Tensor]:
    """State dict of one of the tiny models, own copies."""
    tensors = vectors("var_tiny")
    return {
        name.removeprefix(prefix): value.clone()
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def tiny_tokenizer() -> ImageTokenizer:
    """8 channels, 32 codes of width 8, 64 px."""
    config = ImageTokenizerConfig(
        vocab_size=32,
        code_dim=8,
        base_channels=8,
        num_norm_groups=8,
        patch_nums=TINY_PATCH_NUMS,
    )
    tokenizer = ImageTokenizer(config).eval()
    tokenizer.load_state_dict(weights("vae."))
    return tokenizer


def tiny_decoder() -> VisualDecoder:
    """2 layers, width 64, 10 classes."""
    config = VisualDecoderConfig(
        num_layers=2,
        hidden_dim=64,
        num_heads=2,
        num_classes=10,
        vocab_size=32,
        code_dim=8,
        patch_nums=TINY_PATCH_NUMS,
        condition_dropout=0,
        drop_path=0,
    )
    decoder = VisualDecoder(config).eval()
    decoder.load_state_dict(weights("var."))
    return decoder


def tiny_pixels() -> Tensor:
    """The two images of the tiny vectors: (2, 3, 64, 64) in [-1, 1]"""
    values = vectors("var_tiny")["in.image_u8"].float() / 255
    return values + values - 1


def seeded_tokenizer(config: ImageTokenizerConfig, seed: int) -> ImageTokenizer:
    """Weights by the rule in tests/golden/README.md, in the order of the sorted names."""
    tokenizer = ImageTokenizer(config).eval()
    random = np.random.RandomState(seed)
    drawn: dict[str, Tensor] = {}
    for name, own in sorted(tokenizer.state_dict().items()):
        if name == "quantize.ema_vocab_hit_SV":
            drawn[name] = torch.zeros_like(own)
            continue
        x = random.standard_normal(tuple(own.shape)).astype(np.float32)
        if x.ndim == 4:
            x = x * np.float32(1.2 / np.sqrt(np.prod(x.shape[1:])))
        elif name.endswith("embedding.weight"):
            x = x * np.float32(0.6)
        elif "norm" in name and name.endswith(".weight"):
            x = 1 + np.float32(0.2) * x
        else:
            x = x * np.float32(0.1)
        drawn[name] = torch.from_numpy(np.ascontiguousarray(x))
    tokenizer.load_state_dict(drawn)
    return tokenizer


def assert_close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Equal shapes, and values within an absolute tolerance."""
    assert found.shape == expected.shape
    assert (found - expected).abs().max().item() <= tolerance
