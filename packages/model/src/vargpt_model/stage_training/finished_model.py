"""A trained model as a folder that every command opens."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from vargpt_model.processor import VargptProcessor
from vargpt_model.vargpt import VargptConfig, VargptForConditionalGeneration
from vargpt_model.weights.stored_tensors import StoredTensor
from vargpt_model.weights.writer import write_weights


def write_trained(
    state: Mapping[str, Tensor],
    config: VargptConfig,
    processor: VargptProcessor,
    out: Path,
    *,
    dtype: torch.dtype,
) -> None:
    """A model's tensors in `dtype`, the configuration and processor that it started with."""
    tensors = {
        name: StoredTensor(tuple(tensor.shape), tensor.dtype, partial(_on_cpu, tensor))
        for name, tensor in state.items()
    }
    write_weights(tensors, out, dtype=dtype)
    processor.save_pretrained(out)
    config.architectures = [VargptForConditionalGeneration.__name__]
    config.dtype = dtype
    config.save_pretrained(out)


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu()
