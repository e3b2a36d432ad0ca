"""float32 that is float32: no autocast, no TF32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Settings of matrix products and convolutions, on GPUs and on processors.
SETTINGS = (
    torch.backends.cuda.matmul,
    torch.backends.cudnn.conv,  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.mkldnn.matmul,  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.mkldnn.conv,  # pyright: ignore[reportAttributeAccessIssue]
)


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Run in float32 with full mantissas.

    Nearest-code decisions flip under bf16 and TF32, and cuDNN uses TF32 unless told not to.
    `allow_tf32` is left alone: torch refuses to read it once a process uses `fp32_precision`, as
    transformers' `Trainer` does with `tf32`.
    """
    before = [setting.fp32_precision for setting in SETTINGS]
    try:
        for setting in SETTINGS:
            setting.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for setting, precision in zip(SETTINGS, before, strict=True):
            setting.fp32_precision = precision
