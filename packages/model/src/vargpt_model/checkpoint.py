"""Weight files of others: VAR's `.pth` state dicts and safetensors, read without running code."""

import pickle
from collections.abc import Mapping, Sequence
from math import isqrt
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vargpt_model.image_tokenizer import ImageTokenizer, ImageTokenizerConfig
from vargpt_model.visual_decoder import VisualDecoder, VisualDecoderConfig
from vargpt_model.visual_decoder.block_causal_attention import scale_ids
from vargpt_schema.errors import UserError

VAR_HEAD_DIM = 64  # of every published size; a file without q/k norm does not tell
NAMES_SHOWN = 3
DOWNLOAD_AGAIN = "Download the file again, or give another path."

# Statistics of the tokenizer's training. Its first size is the number of scales, which another
# resolution changes although the weights fit.
CODE_USE = "quantize.ema_vocab_hit_SV"

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def load_image_tokenizer(
    path: Path,
    config: ImageTokenizerConfig = ImageTokenizerConfig(),  # noqa: B008, frozen
) -> ImageTokenizer:
    """The image tokenizer of a file like `vae_ch160v4096z32.pth`, in evaluation mode.

    UserError when the file is unreadable or its tensors are not those of `config`.
    """
    tensors = read_tensors(path)
    with torch.device("meta"):
        tokenizer = ImageTokenizer(config)
    own = tokenizer.state_dict()[CODE_USE]
    if CODE_USE in tensors and tensors[CODE_USE].shape != own.shape:
        tensors[CODE_USE] = torch.zeros(own.shape)
    return _filled(tokenizer, tensors, path).float()


def load_visual_decoder(path: Path, config: VisualDecoderConfig | None = None) -> VisualDecoder:
    """The visual decoder of a file like `var_d30.pth`, in evaluation mode.

    Without a `config`, sizes are read off the tensors; heads have 64 channels where the file does
    not tell. UserError when the file is unreadable or does not fit.
    """
    tensors = read_tensors(path)
    config = config or visual_decoder_config_of(tensors, path)
    with torch.device("meta"):
        decoder = VisualDecoder(config)
    decoder = _filled(decoder, tensors, path)
    if not torch.equal(decoder.lvl_1L, scale_ids(decoder.ranges)[None]):
        raise UserError(
            f"{path}: scales of other sizes than patch_nums {config.patch_nums} found. "
            "Give the patch_nums that this decoder was trained with."
        )
    return decoder


def read_tensors(path: Path) -> dict[str, Tensor]:
    """A flat state dict from `.safetensors`, or from what `torch.save` wrote, without its code.

    UserError when the file is missing, cut off, or holds anything but named tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: no such file found, a file of weights was expected. Check the path."
        ) from error
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path}: a pickle with more than tensors in it, or no weights at all, found, a state "
            f"dict was expected; unpickling it could run code, so it was not read. {DOWNLOAD_AGAIN}"
        ) from error
    except Exception as error:  # damaged bytes lead torch's reader to errors of any type
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{path}: a file that is cut off or no file of weights found ({reason}), "
            f"a state dict was expected. {DOWNLOAD_AGAIN}"
        ) from error
    if not isinstance(loaded, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in loaded.items()
    ):
        raise UserError(
            f"{path}: a {type(loaded).__name__} of more than named tensors found, a bare state "
            f"dict was expected. {DOWNLOAD_AGAIN}"
        )
    return loaded


def expect_same_tensors(own: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """UserError that names the tensors which are missing, unknown or of another shape."""
    faults = []
    if missing := sorted(own.keys() - found.keys()):
        faults.append(f"missing {_some(missing)}")
    if extra := sorted(found.keys() - own.keys()):
        faults.append(f"unknown {_some(extra)}")
    misshapen = [
        f"{name} {tuple(found[name].shape)} instead of {tuple(own[name].shape)}"
        for name in sorted(own.keys() & found.keys())
        if found[name].shape != own[name].shape
    ]
    if misshapen:
        faults.append(f"of another shape {_some(misshapen)}")
    if faults:
        raise UserError(
            f"{path}: tensors do not fit the model: {'; '.join(faults)}. "
            "Give the weights of this architecture, or the configuration of these weights."
        )


def _filled(module: ModuleT, tensors: Mapping[str, Tensor], path: Path) -> ModuleT:
    own = module.state_dict()
    expect_same_tensors(own, tensors, path)
    other_type = [
        f"{name} {tensors[name].dtype} instead of {own[name].dtype}"
        for name in sorted(own)
        if tensors[name].is_floating_point() != own[name].is_floating_point()
    ]
    if other_type:
        raise UserError(
            f"{path}: tensors of another type found: {_some(other_type)}. {DOWNLOAD_AGAIN}"
        )
    module.load_state_dict(tensors, assign=True)
    return module.eval()


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"


def visual_decoder_config_of(tensors: Mapping[str, Tensor], path: Path) -> VisualDecoderConfig:
    """Sizes of a decoder from the shapes of its tensors; the scales from their sizes."""
    try:
        num_layers = sum(name.endswith(".attn.mat_qkv.weight") for name in tensors)
        vocab_size, hidden_dim = tensors["head.weight"].shape
        scale_sizes = tensors["lvl_1L"].flatten().bincount().tolist()
        temperatures = tensors.get("blocks.0.attn.scale_mul_1H11")
        if temperatures is None and hidden_dim % VAR_HEAD_DIM:
            raise ValueError(f"width {hidden_dim} is no multiple of {VAR_HEAD_DIM}")
        return VisualDecoderConfig(
            num_layers=num_layers,
            hidden_dim=hidden_dim,
            num_heads=(
                hidden_dim // VAR_HEAD_DIM if temperatures is None else temperatures.numel()
            ),
            mlp_ratio=tensors["blocks.0.ffn.fc1.weight"].shape[0] / hidden_dim,
            num_classes=tensors["class_emb.weight"].shape[0] - 1,
            vocab_size=vocab_size,
            code_dim=tensors["word_embed.weight"].shape[1],
            patch_nums=tuple(isqrt(size) for size in scale_sizes),
            shared_adaln="shared_ada_lin.1.weight" in tensors,
            qk_norm=temperatures is not None,
            drop_path=0.1 * num_layers / 24,
        )
    except (KeyError, ValueError, IndexError, ArithmeticError, RuntimeError) as error:
        raise UserError(
            f"{path}: no visual decoder found ({error}), tensors like those of var_d30.pth were "
            "expected. Give such a file, or its configuration."
        ) from error
