"""Features of a small network with seeded random weights: they compare with nothing else."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from vargpt_eval.extracting.extractor import Features, Images
from vargpt_eval.extracting.pixels import as_batch

_CHANNELS = (3, 32, 64, 64)
_SIDE_PX = 32
_GRID = 2  # cells a side whose means are the features, so that places count


class RandomExtractor:
    """Three convolutions at 32 px; 256 features, means of its channels in four quarters."""

    def __init__(self, seed: int = 0) -> None:
        self.name = f"random-{seed}"
        self.widths = {"pool_3": _CHANNELS[-1] * _GRID**2}
        generator = torch.Generator().manual_seed(seed)
        self._weights = [
            torch.randn(out, into, 3, 3, generator=generator) * (2 / (9 * into)) ** 0.5
            for into, out in pairwise(_CHANNELS)
        ]

    @torch.inference_mode()
    def extract(self, images: Images) -> dict[str, Features]:
        """(B, height, width, 3) uint8 -> `pool_3` (B, 256) float32"""
        x: Tensor = as_batch(images, torch.device("cpu")).float() / 127.5 - 1
        x = F.interpolate(x, (_SIDE_PX, _SIDE_PX), mode="bilinear", antialias=True)
        for weight in self._weights:
            x = F.relu(F.conv2d(x, weight, stride=2, padding=1))
        return {"pool_3": F.adaptive_avg_pool2d(x, _GRID).flatten(1).numpy()}
