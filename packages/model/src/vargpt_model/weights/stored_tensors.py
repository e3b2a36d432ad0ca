"""Tensors that are somewhere else - in files, or yet to be drawn - and come one at a time."""

import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vargpt_model.checkpoint import DOWNLOAD_AGAIN, expect_same_tensors, read_tensors
from vargpt_schema.errors import UserError

INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLE_FILES = ("model.safetensors", "pytorch_model.bin")
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor's shape and type, and how to get it."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    load: Callable[[], Tensor]


StoredTensors = dict[str, StoredTensor]


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a model's folder, in name order.

    UserError when there is none, the index is damaged, or a shard that it names is missing.
    """
    for name in INDEXES:
        if (folder / name).is_file():
            return _shards(folder / name)
    for name in SINGLE_FILES:
        if (folder / name).is_file():
            return [folder / name]
    raise UserError(
        f"{folder}: no weights found, {' or '.join((*SINGLE_FILES, *INDEXES))} was expected. "
        "Give the folder of a downloaded or converted model."
    )


def open_folder(folder: Path) -> StoredTensors:
    """All tensors of a model's folder, one file or many. UserError as `weight_files`."""
    tensors: StoredTensors = {}
    for path in weight_files(folder):
        tensors |= open_file(path)
    index = next((folder / name for name in INDEXES if (folder / name).is_file()), None)
    if index is not None:
        lost = json.loads(index.read_text("utf-8"))["weight_map"].keys() - tensors.keys()
        if lost:
            raise UserError(
                f"{index}: {len(lost)} tensors that the index names are in no shard, first "
                f"{min(lost)}. {DOWNLOAD_AGAIN}"
            )
    return tensors


def open_file(path: Path) -> StoredTensors:
    """All tensors of one file, safetensors or what `torch.save` wrote; UserError for others."""
    if path.suffix == ".safetensors":
        return _open_safetensors(path)
    tensors = _mapped(path)
    return {
        name: StoredTensor(tuple(tensor.shape), tensor.dtype, partial(_same, tensor))
        for name, tensor in tensors.items()
    }


def expect_tensors(
    own: Mapping[str, Tensor], found: Mapping[str, StoredTensor], path: Path
) -> None:
    """UserError that names what is missing, unknown or of another shape; `own` may be on meta."""
    shapes = {name: torch.empty(stored.shape, device="meta") for name, stored in found.items()}
    expect_same_tensors(own, shapes, path)


def _shards(index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise UserError(
            f"{index}: a damaged index found ({error}), a `weight_map` of tensors to files was "
            f"expected. {DOWNLOAD_AGAIN}"
        ) from error
    outside = [name for name in names if Path(name).name != name]
    if outside:
        raise UserError(
            f"{index}: shard {outside[0]!r} found, names of files beside the index were expected. "
            f"{DOWNLOAD_AGAIN}"
        )
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise UserError(
            f"{index}: {len(missing)} of {len(names)} shards that it names are missing, first "
            f"{missing[0]}. Download what is missing into the same folder."
        )
    return [index.parent / name for name in names]


def _open_safetensors(path: Path) -> StoredTensors:
    try:
        with safe_open(path, "pt") as file:
            return {name: _described(path, name, file.get_slice(name)) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: no such file found, a file of weights was expected. Check the path."
        ) from error
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path}: a file that is cut off or no safetensors found ({error}). {DOWNLOAD_AGAIN}"
        ) from error


def _described(path: Path, name: str, found: object) -> StoredTensor:
    kind = found.get_dtype()  # pyright: ignore[reportAttributeAccessIssue]
    if kind not in _DTYPES:
        raise UserError(
            f"{path}: tensor {name} of type {kind} found, one of {', '.join(_DTYPES)} was "
            "expected. Give weights that are not quantised."
        )
    shape = found.get_shape()  # pyright: ignore[reportAttributeAccessIssue]
    return StoredTensor(tuple(shape), _DTYPES[kind], partial(_loaded, path, name))


def _loaded(path: Path, name: str) -> Tensor:
    # Opened again each time: pages of tensors that are done with are given back.
    with safe_open(path, "pt") as file:
        return file.get_tensor(name)


def _mapped(path: Path) -> dict[str, Tensor]:
    """A state dict whose tensors stay on disk until used, where the file's format allows it."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError):
        return read_tensors(path)  # files before torch 1.6, and the errors for all others
    if isinstance(found, dict) and all(isinstance(value, Tensor) for value in found.values()):
        return found
    return read_tensors(path)


def _same(tensor: Tensor) -> Tensor:
    return tensor
