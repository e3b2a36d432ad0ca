"""The perceptual term: LPIPS (arXiv 1801.03924) on VGG-16, from two files that the user supplies.

`vgg16-397923af.pth` (torchvision) holds the network, `vgg.pth` (LPIPS 0.1) the channel weights.
N images, P pixels a side.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vargpt_model.checkpoint import expect_same_tensors, read_tensors

# Widths of VGG-16's convolutions; a pool lies between the blocks, features are taken at their ends.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
MEAN = (-0.030, -0.088, -0.188)  # of LPIPS' scaling layer, for pixels in [-1, 1]
STD = (0.458, 0.448, 0.450)
UNIT_EPS = 1e-10


class PerceptualDistance(nn.Module):
    """sum_l mean_hw w_l . (unit(phi_l(a)) - unit(phi_l(b)))^2  (equation 1)"""

    mean: Tensor  # (1, 3, 1, 1)
    std: Tensor  # (1, 3, 1, 1)

    def __init__(self, vgg: Path, channel_weights: Path) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        width = 3
        for widths in BLOCKS:
            convolutions = []
            for wider in widths:
                convolutions += [nn.Conv2d(width, wider, 3, padding=1), nn.ReLU()]
                width = wider
            self.blocks.append(nn.Sequential(*convolutions))
        self.channel_weights = nn.ParameterList(
            nn.Parameter(torch.zeros(1, widths[-1], 1, 1)) for widths in BLOCKS
        )
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))
        self._load_vgg(vgg)
        self._load_channel_weights(channel_weights)
        self.requires_grad_(False).eval()

    def forward(self, rebuilt: Tensor, pixels: Tensor) -> Tensor:
        """Two (N, 3, P, P) in [-1, 1] -> (N,)"""
        a, b = ((side - self.mean) / self.std for side in (rebuilt, pixels))
        distance = torch.zeros(len(pixels), device=pixels.device)
        for index, (block, weight) in enumerate(
            zip(self.blocks, self.channel_weights, strict=True)
        ):
            if index:
                a, b = F.max_pool2d(a, 2), F.max_pool2d(b, 2)
            a, b = block(a), block(b)
            # normalize's gradient is 0 where all channels are, LPIPS' own is not a number there.
            difference = (F.normalize(a, eps=UNIT_EPS) - F.normalize(b, eps=UNIT_EPS)).square()
            distance = distance + (difference * weight).sum(dim=1).mean(dim=(1, 2))
        return distance

    def _load_vgg(self, path: Path) -> None:
        """torchvision counts convolutions, activations and pools through: features.0, 2, 5, ..."""
        own, place = {}, 0
        for block in self.blocks:
            for module in block.modules():
                if isinstance(module, nn.Conv2d):
                    own[f"features.{place}.weight"] = module.weight
                    own[f"features.{place}.bias"] = module.bias
                    place += 2
            place += 1
        found = {
            name: tensor
            for name, tensor in read_tensors(path).items()
            if name.startswith("features.")
        }
        _copy(own, found, path)

    def _load_channel_weights(self, path: Path) -> None:
        own = {
            f"lin{index}.model.1.weight": part for index, part in enumerate(self.channel_weights)
        }
        _copy(own, read_tensors(path), path)


def _copy(own: dict[str, Tensor], found: dict[str, Tensor], path: Path) -> None:
    expect_same_tensors(own, found, path)
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(found[name])
