"""Weights to disk as safetensors shards, tensor by tensor.

safetensors' own writer wants a whole shard in memory; here a shard's header is written from shapes
and types alone, then one tensor after the other.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import torch
from torch import Tensor

from vargpt_model.training.checkpoints import write_file, write_json
from vargpt_model.weights.stored_tensors import StoredTensor, StoredTensors
from vargpt_schema.errors import UserError

GIGABYTE = 10**9
_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
# Kept in float32 whatever the model's type: codes flip in half precision.
FLOAT32_PART = "vae_local."

OnTensor = Callable[[int, int], None]  # bytes done, bytes in all


class _Entry(NamedTuple):
    name: str
    dtype: torch.dtype  # on disk
    source: StoredTensor

    @property
    def num_bytes(self) -> int:
        return math.prod(self.source.shape) * self.dtype.itemsize


def write_weights(
    tensors: StoredTensors,
    out: Path,
    *,
    dtype: torch.dtype | None,
    max_shard_bytes: int = 5 * GIGABYTE,
    on_tensor: OnTensor | None = None,
) -> list[Path]:
    """Write `model*.safetensors` and, for several, the index; returns the files.

    Floating tensors become `dtype` (None: stay), those of the image tokenizer float32. A shard that
    is there already is kept, so a killed run goes on. UserError on a full disk.
    """
    entries = [_Entry(name, _stored(name, t, dtype), t) for name, t in tensors.items()]
    shards = list(_sharded(entries, max_shard_bytes))
    total = sum(entry.num_bytes for entry in entries)
    done = 0
    paths = []
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        path = out / (name if len(shards) > 1 else "model.safetensors")
        weight_map |= {entry.name: path.name for entry in shard}
        header = _header(shard)
        size = len(header) + sum(entry.num_bytes for entry in shard)
        if path.is_file() and path.stat().st_size == size:
            done += size - len(header)
        else:
            for entry in _write_shard(path, header, shard):
                done += entry.num_bytes
                if on_tensor is not None:
                    on_tensor(done, total)
        paths.append(path)
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
        write_json(out / "model.safetensors.index.json", index)
    return paths


def _stored(name: str, tensor: StoredTensor, dtype: torch.dtype | None) -> torch.dtype:
    if not tensor.dtype.is_floating_point:
        return tensor.dtype
    if name.startswith(FLOAT32_PART):
        return torch.float32
    return dtype or tensor.dtype


def _sharded(entries: list[_Entry], max_shard_bytes: int) -> Iterator[list[_Entry]]:
    shard: list[_Entry] = []
    size = 0
    for entry in entries:
        if shard and size + entry.num_bytes > max_shard_bytes:
            yield _aligned(shard)
            shard, size = [], 0
        shard.append(entry)
        size += entry.num_bytes
    yield _aligned(shard)


def _aligned(shard: list[_Entry]) -> list[_Entry]:
    """Wide types first, as the format's readers want every tensor at a multiple of its type."""
    return sorted(shard, key=lambda entry: -entry.dtype.itemsize)


def _header(shard: list[_Entry]) -> bytes:
    described: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for entry in shard:
        end = offset + entry.num_bytes
        described[entry.name] = {
            "dtype": _NAMES[entry.dtype],
            "shape": list(entry.source.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _write_shard(path: Path, header: bytes, shard: list[_Entry]) -> list[_Entry]:
    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(header)
            for entry in shard:
                _write_tensor(file, entry)

    write_file(path, write)
    return shard


def _write_tensor(file: BinaryIO, entry: _Entry) -> None:
    tensor = entry.source.load()
    if tuple(tensor.shape) != entry.source.shape:
        raise UserError(f"{entry.name}: its file changed while it was read. Run the command again.")
    file.write(_bytes(tensor.to(entry.dtype)))


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().data
