"""Keys and values of the scales drawn so far, one pair of tensors a block.

B rows, H heads, L codes of an image, K channels of a head.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class KeysValues(NamedTuple):
    """What one block attends to."""

    keys: Tensor  # (B, H, l, K)
    values: Tensor  # (B, H, l, K)


class KeyValueCache:
    """Room for a whole image, reserved once; every scale is written behind the last one."""

    def __init__(
        self,
        *,
        num_layers: int,
        batch_size: int,
        num_heads: int,
        max_length: int,
        head_dim: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        shape = (num_layers, 2, batch_size, num_heads, max_length, head_dim)
        self._room = torch.empty(shape, dtype=dtype, device=device)
        self._lengths = [0] * num_layers

    def append(self, layer: int, keys: Tensor, values: Tensor) -> KeysValues:
        """Write (B, H, n, K) keys and values of a scale; returns all so far."""
        start = self._lengths[layer]
        end = start + keys.shape[2]
        room = self._room[layer]
        room[0, :, :, start:end] = keys
        room[1, :, :, start:end] = values
        self._lengths[layer] = end
        return KeysValues(room[0, :, :, :end], room[1, :, :, :end])
