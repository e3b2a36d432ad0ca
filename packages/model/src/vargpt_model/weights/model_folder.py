"""A model's folder: written once, from a start; opened by every command."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoProcessor

import vargpt_model.auto_classes  # noqa: F401, registers the processor
from vargpt_model.given_paths import model_config
from vargpt_model.processor import VargptProcessor
from vargpt_model.training.checkpoints import sha256_of, write_json
from vargpt_model.training.folder_lock import expect_config, locked
from vargpt_model.training.manifest import versions
from vargpt_model.training.progress import Progress
from vargpt_model.vargpt import VargptConfig, VargptForConditionalGeneration
from vargpt_model.weights.random_tensors import meta_tensors
from vargpt_model.weights.starting_model import Start, config_of
from vargpt_model.weights.stored_tensors import (
    StoredTensors,
    expect_tensors,
    open_folder,
    weight_files,
)
from vargpt_model.weights.writer import FLOAT32_PART, GIGABYTE, write_weights
from vargpt_schema.errors import UserError

INIT = "init.json"  # written last: the folder is complete


class Opened(NamedTuple):
    """A model ready to use."""

    model: VargptForConditionalGeneration
    processor: VargptProcessor


def is_complete(out: Path, settings: Mapping[str, Any]) -> bool:
    """Whether a folder was made with these settings and has all its files.

    UserError if it was made with others.
    """
    path = out / INIT
    if not path.is_file():
        return False
    made = json.loads(path.read_text("utf-8"))
    before = made["settings"]
    now = json.loads(json.dumps(dict(settings)))
    if before != now:
        differences = [
            f"{name}: made with {before.get(name)!r}, now {now.get(name)!r}"
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        ]
        raise UserError(
            f"{out}: a model of other settings found ({'; '.join(differences)}). Choose another "
            "folder with --out DIR."
        )
    return all((out / name).is_file() for name in ("config.json", *made["files"]))


def write_model(
    out: Path,
    start: Start,
    settings: Mapping[str, Any],
    *,
    dtype: torch.dtype | None,
    max_shard_bytes: int = 5 * GIGABYTE,
) -> None:
    """Configuration, processor and weights; a killed run goes on where it stopped."""
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        expect_config(out, settings)
        progress = None

        def show(done: int, total: int) -> None:
            nonlocal progress
            progress = progress or Progress("init", done=0, total=total // 1000, unit="kB")
            progress.show(done // 1000)

        files = write_weights(
            start.tensors, out, dtype=dtype, max_shard_bytes=max_shard_bytes, on_tensor=show
        )
        start.config.architectures = [VargptForConditionalGeneration.__name__]
        start.config.dtype = dtype or _main_dtype(start.tensors)
        VargptProcessor.of(start.config, start.tokenizer).save_pretrained(out)
        start.config.save_pretrained(out)
        facts = {"files": [path.name for path in files], "versions": versions()}
        write_json(out / INIT, {"settings": dict(settings), **facts})


def _main_dtype(tensors: StoredTensors) -> torch.dtype:
    """The type of most numbers that are not the image tokenizer's."""
    sizes: Counter[torch.dtype] = Counter()
    for name, tensor in tensors.items():
        if tensor.dtype.is_floating_point and not name.startswith(FLOAT32_PART):
            sizes[tensor.dtype] += math.prod(tensor.shape)
    return sizes.most_common(1)[0][0]


def open_model(
    folder: Path, *, dtype: torch.dtype | None = None, device: str | None = None
) -> Opened:
    """A folder of `vargpt init` or of training, for use; `dtype` None: as stored.

    UserError when it is another architecture, a shard is missing, or tensors do not fit.
    """
    # Before anything is allocated: transformers would fill what does not fit at random.
    expect_tensors(meta_tensors(open_config(folder)), open_folder(folder), folder)
    try:
        model = VargptForConditionalGeneration.from_pretrained(folder, dtype=dtype or "auto")
    except (ValueError, OSError, RuntimeError) as error:
        raise UserError(
            f"{folder}: cannot be loaded ({' '.join(str(error).split())[:300]}). Make the folder "
            "again with `vargpt init`, or take another checkpoint."
        ) from error
    try:
        processor = AutoProcessor.from_pretrained(folder)
    except (ValueError, OSError, TypeError) as error:
        processor = error
    if not isinstance(processor, VargptProcessor):
        raise UserError(
            f"{folder}: no processor of this toolkit found, one was expected beside the weights. "
            f"Repair it with `vargpt init --vargpt {folder} --out DIR`."
        )
    return Opened(model.to(device or default_device()).eval(), processor)


def open_config(folder: Path) -> VargptConfig:
    """The configuration of a model's folder; UserError for another architecture."""
    return config_of(model_config(folder), folder / "config.json")


def default_device() -> str:
    """The first GPU if there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def model_sha256(folder: Path) -> str:
    """Fingerprint of a model's weight files, whatever the folder is called."""
    digest = hashlib.sha256()
    for path in weight_files(folder):
        digest.update(f"{path.name} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
