"""An image tokenizer that stays in float32 inside a model of another dtype."""

from collections.abc import Callable

import torch
from torch import Tensor

from vargpt_model.image_tokenizer import ImageTokenizer


class Float32ImageTokenizer(ImageTokenizer):
    """Follows `model.to(device)`, not `model.to(dtype)`: codes flip in half precision."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ImageTokenizer":
        def apply_but_keep_dtype(tensor: Tensor) -> Tensor:
            if not tensor.is_floating_point():
                return fn(tensor)
            target = fn(torch.empty(0, dtype=tensor.dtype, device=tensor.device))
            return fn(tensor) if target.dtype == tensor.dtype else tensor.to(target.device)

        return super()._apply(apply_but_keep_dtype, recurse)
