"""float32 that is float32: no autocast, no TF32."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_float32(device: torch.device) -> Iterator[None]:
    """Run in float32 with full mantissas.

    Nearest-code decisions flip under bf16 and TF32, and cuDNN uses TF32 unless told not to.
    """
    matmul_tf32 = torch.backends.cuda.matmul.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = False
        with (
            torch.autocast(device.type, enabled=False),
            torch.backends.cudnn.flags(allow_tf32=False),
        ):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul_tf32
