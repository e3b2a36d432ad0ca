"""An image tokenizer on disk: `config.json` beside `model.safetensors`."""

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from vargpt_model.checkpoint import CODE_USE, load_image_tokenizer
from vargpt_model.image_tokenizer import ImageTokenizer, ImageTokenizerConfig
from vargpt_model.training.checkpoints import write_file, write_json
from vargpt_schema.errors import UserError

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
MODEL_TYPE = "vargpt_image_tokenizer"


def save_image_tokenizer(tokenizer: ImageTokenizer, folder: Path) -> None:
    """Write both files, each whole or not at all, the configuration first."""
    write_json(folder / CONFIG, {"model_type": MODEL_TYPE, **asdict(tokenizer.config)})
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in tokenizer.state_dict().items()
    }
    write_file(folder / WEIGHTS, lambda path: save_file(tensors, path, {"format": "pt"}))


def open_image_tokenizer(path: Path) -> ImageTokenizer:
    """A folder that `vargpt train image-tokenizer` wrote, or the published `.pth` file.

    In evaluation mode, on the CPU. UserError when it is neither, or its tensors do not fit.
    """
    if not path.is_dir():
        return load_image_tokenizer(path)
    return load_image_tokenizer(path / WEIGHTS, image_tokenizer_config(path / CONFIG))


def image_tokenizer_config(path: Path) -> ImageTokenizerConfig:
    """The configuration in a `config.json`; UserError for any other file."""
    try:
        found = json.loads(path.read_text("utf-8"))
        if found.pop("model_type") != MODEL_TYPE:
            raise ValueError(f"model_type is not {MODEL_TYPE}")
        unknown = found.keys() - {field.name for field in fields(ImageTokenizerConfig)}
        if unknown:
            raise ValueError(f"unknown key {min(unknown)}")
        return ImageTokenizerConfig(**{name: _value(value) for name, value in found.items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not the configuration of an image tokenizer ({error}), a file that "
            "`vargpt train image-tokenizer` wrote was expected. Give its output folder, or a "
            ".pth file of VAR's."
        ) from error


def weights_sha256(tokenizer: ImageTokenizer) -> str:
    """Fingerprint of what decides codes and pictures; codes are marked with it.

    Of the tensors, not of a file: the same weights inside a larger checkpoint have the same. The
    statistics of code use are left out.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tokenizer.state_dict().items()):
        if name != CODE_USE:
            digest.update(f"{name} {tuple(tensor.shape)} ".encode())
            digest.update(tensor.detach().cpu().float().contiguous().numpy().data)
    return digest.hexdigest()


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
