"""FSDP2: every rank holds a part of each tensor, and blocks are whole only while they compute.

torch's `fully_shard`, called here and not through accelerate, so that what is sharded can be read.
VisualDecoder and ImageTokenizer are no units: the model calls their methods, which no hook sees.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.models.clip.modeling_clip import CLIPEncoderLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer

from vargpt_model.visual_decoder.block import Block


def shard(model: nn.Module, device_type: str) -> None:
    """Shard blocks, then what is left, over all ranks. Afterwards only `forward` may be called."""
    mesh = init_device_mesh(device_type, (dist.get_world_size(),))
    for module in list(model.modules()):
        if isinstance(module, LlamaDecoderLayer | CLIPEncoderLayer | Block):
            fully_shard(module, mesh=mesh)
            if isinstance(module, Block):
                register_fsdp_forward_method(module, "modulation")
    fully_shard(model, mesh=mesh)
    # accelerate would wrap it in DDP otherwise.
    model.__dict__["_is_accelerate_prepared"] = True


def whole(value: Any) -> Any:
    """A tensor, or those in dicts and lists, unsharded; all ranks must ask in the same order."""
    if isinstance(value, DTensor):
        return value.full_tensor()
    if isinstance(value, Mapping):
        return {name: whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [whole(one) for one in value]
    return value


def sharded_like(value: Tensor, own: Tensor) -> Tensor:
    """A whole tensor cut as `own` is; the same tensor where `own` is whole."""
    if not isinstance(own, DTensor):
        return value
    # Every rank has read the same file: nothing need be sent.
    return distribute_tensor(
        value.to(own.device), own.device_mesh, own.placements, src_data_rank=None
    )


@torch.no_grad()
def whole_state(model: nn.Module, *, is_first: bool) -> dict[str, Tensor]:
    """All tensors of a model on the CPU, for the first rank; the others help and get nothing."""
    found = {}
    for name, tensor in model.state_dict().items():
        value = whole(tensor.detach())
        if is_first:
            found[name] = value.cpu()
    return found
