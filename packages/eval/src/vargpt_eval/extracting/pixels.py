"""uint8 images as tensors, and the resizing of Pillow on whatever device they are on.

B images of h x w pixels, s pixels a side
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vargpt_eval.extracting.extractor import Images


def as_batch(images: Images, device: torch.device) -> Tensor:
    """(B, h, w, 3) -> (B, 3, h, w) uint8"""
    return torch.from_numpy(np.ascontiguousarray(images)).to(device).permute(0, 3, 1, 2)


def centre_square(images: Tensor, side_px: int) -> Tensor:
    """Shorter side to s bicubic, centre crop: (B, 3, h, w) uint8 -> (B, 3, s, s) in [0, 1].

    Bicubic with its support widened when shrinking, levels rounded to whole: Pillow's, but for
    single levels.
    """
    height, width = images.shape[2:]
    scale = side_px / min(height, width)
    size = (max(side_px, round(height * scale)), max(side_px, round(width * scale)))
    large = F.interpolate(images.float(), size, mode="bicubic", antialias=True)
    large = large.round().clamp(0, 255) / 255
    top, left = (size[0] - side_px) // 2, (size[1] - side_px) // 2
    return large[:, :, top : top + side_px, left : left + side_px]


def normalized(
    images: Tensor, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> Tensor:
    """Each channel less its mean, over its deviation: (B, 3, s, s) -> (B, 3, s, s)"""
    shape = (1, 3, 1, 1)
    return (images - images.new_tensor(mean).view(shape)) / images.new_tensor(std).view(shape)
