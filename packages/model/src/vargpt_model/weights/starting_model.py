"""What a model starts from: published parts, an official checkpoint, or random numbers.

A start is a configuration, a text tokenizer and tensors that are read or drawn when written.
"""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from vargpt_model.checkpoint import CODE_USE, DOWNLOAD_AGAIN, visual_decoder_config_of
from vargpt_model.given_paths import MODEL_TYPE, config_json
from vargpt_model.image_tokenizer import ImageTokenizerConfig
from vargpt_model.image_tokenizer_folder import CONFIG, WEIGHTS, image_tokenizer_config
from vargpt_model.processor import world_tokenizer
from vargpt_model.vargpt import VargptConfig
from vargpt_model.vargpt.presets import PRESETS, preset_small, preset_tiny
from vargpt_model.visual_decoder import VisualDecoderConfig
from vargpt_model.weights.official_names import (
    CLASS_ROWS,
    IMAGE_TOKENIZER,
    LLAVA_PARTS,
    NULL_STATES,
    VISUAL_DECODER,
    official_from_llava,
    official_from_vae,
    official_from_var,
)
from vargpt_model.weights.random_tensors import meta_tensors, random_tensors
from vargpt_model.weights.stored_tensors import (
    StoredTensor,
    StoredTensors,
    expect_tensors,
    open_file,
    open_folder,
)
from vargpt_schema import IMAGE_GEN_END, IMAGE_GEN_PAD, IMAGE_GEN_START
from vargpt_schema.errors import UserError

ConditionRows = Literal["var", "random"]
NEW_TOKENS = (IMAGE_GEN_START, IMAGE_GEN_END, IMAGE_GEN_PAD)
ROW_STD = 0.02  # of the condition rows that the official code draws at random


class Start(NamedTuple):
    """Everything that a model's folder is written from."""

    config: VargptConfig
    tokenizer: PreTrainedTokenizerFast
    tensors: StoredTensors


def start_from_preset(name: str, *, seed: int, image_tokenizer: Path | None = None) -> Start:
    """A preset with random weights; at `tiny` and `small` around a trained image tokenizer.

    UserError for an unknown preset, or an image tokenizer that is not one.
    """
    if name not in PRESETS:
        raise UserError(
            f"--preset {name}: unknown, one of {', '.join(PRESETS)} was expected. Choose one."
        )
    if image_tokenizer is None:
        config = PRESETS[name]()
        return Start(config, world_tokenizer(config), random_tensors(config, seed))
    if name == "7b":
        raise UserError(
            "--image-tokenizer: --preset 7b has the published one's sizes. Use --preset small or "
            "tiny, or --llava, --var and --vae for published weights."
        )
    sizes, tensors = _image_tokenizer(image_tokenizer, None)
    config = (preset_small if name == "small" else preset_tiny)(sizes)
    tensors = _with_code_use(tensors, config)
    tensors = {**random_tensors(config, seed), **tensors}
    _expect(config, tensors, image_tokenizer, IMAGE_TOKENIZER)
    return Start(config, world_tokenizer(config), tensors)


def start_from_published(
    llava: Path,
    var: Path,
    vae: Path,
    *,
    seed: int,
    condition_rows: ConditionRows = "var",
    image_tokenizer: ImageTokenizerConfig | None = None,
) -> Start:
    """LLaVA-1.5 (its folder), VAR's decoder and its image tokenizer, as the paper starts.

    The generation projectors are random. VAR's 1001 condition rows do not fit the table of 32004;
    `condition_rows` fills the two that are used with VAR's row for no class, or as the official
    code does, at random. `image_tokenizer` gives the sizes of a `vae` file that is not the
    published one's. UserError for files that are not those.
    """
    found = config_json(llava, "llava", "the folder of llava-1.5-7b-hf", "Give that folder.")
    tokenizer = _tokenizer(llava)
    ids = _add_tokens(tokenizer, llava)
    decoder_tensors = open_file(var)
    decoder = _decoder_sizes(decoder_tensors, var)
    sizes, tokenizer_tensors = _image_tokenizer(vae, image_tokenizer)
    for name in ("vocab_size", "code_dim"):
        if getattr(sizes, name) != getattr(decoder, name):
            raise UserError(
                f"{vae}: {name} {getattr(sizes, name)} found, {var} has "
                f"{getattr(decoder, name)}. Give an image tokenizer and a decoder that belong "
                "together."
            )
    config = VargptConfig(
        text_config=found["text_config"],
        vision_config=found["vision_config"],
        image_tokenizer=asdict(replace(sizes, patch_nums=decoder.patch_nums)),
        visual_decoder=asdict(replace(decoder, num_classes=ids[IMAGE_GEN_START] + 1)),
        image_token_index=found.get("image_token_index", found.get("image_token_id", 32000)),
        pad_token_id=_id(tokenizer, tokenizer.pad_token),
        bos_token_id=_id(tokenizer, tokenizer.bos_token),
        eos_token_id=_id(tokenizer, tokenizer.eos_token),
        image_gen_start_token_id=ids[IMAGE_GEN_START],
        image_gen_end_token_id=ids[IMAGE_GEN_END],
        image_gen_pad_token_id=ids[IMAGE_GEN_PAD],
        projector_hidden_act=found.get("projector_hidden_act", "gelu"),
        vision_feature_layer=found.get("vision_feature_layer", -2),
        vision_feature_select_strategy=found.get("vision_feature_select_strategy", "default"),
        guidance_null="learned",
    )
    tensors = random_tensors(config, seed)
    from_llava = _renamed(open_folder(llava), official_from_llava)
    from_var = _renamed(decoder_tensors, official_from_var)
    from_var[CLASS_ROWS] = _class_rows(from_var, config, condition_rows, seed, var)
    from_vae = _with_code_use(tokenizer_tensors, config)
    for path, part, new in (
        (llava, LLAVA_PARTS, from_llava),
        (var, VISUAL_DECODER, from_var),
        (vae, IMAGE_TOKENIZER, from_vae),
    ):
        _expect(config, new, path, part)
        tensors |= new
    return Start(config, tokenizer, _in_order(config, tensors))


def start_from_official(
    folder: Path, *, vae: Path | None = None, image_tokenizer: ImageTokenizerConfig | None = None
) -> Start:
    """An official v1 folder, or one of this toolkit's: its tensors as they are.

    The published processor lacks sizes and a template that agrees with training; ours is made from
    the configuration instead. `vae` replaces the image tokenizer, which the official file may hold
    in bf16, by the published file. UserError for another architecture or damaged files.
    """
    wanted = "the folder of an official VARGPT v1 checkpoint"
    found = config_json(folder, MODEL_TYPE, wanted, "Give that folder.")
    tensors = open_folder(folder)
    if "visual_decoder" not in found:
        own = {
            name.removeprefix(VISUAL_DECODER): tensor
            for name, tensor in tensors.items()
            if name.startswith(VISUAL_DECODER)
        }
        decoder = _decoder_sizes(own, folder)
        found["visual_decoder"] = asdict(decoder)
        sizes = image_tokenizer or ImageTokenizerConfig()
        found["image_tokenizer"] = asdict(replace(sizes, patch_nums=decoder.patch_nums))
    config = config_of(found, folder / "config.json")
    if vae is not None:
        sizes, replacement = _image_tokenizer(vae, config.image_tokenizer_config)
        if sizes != config.image_tokenizer_config:
            raise UserError(
                f"{vae}: an image tokenizer of other sizes than {folder}'s found. Give the one "
                "that the checkpoint was trained with."
            )
        tensors |= _with_code_use(replacement, config)
    tokenizer = _tokenizer(folder)
    for token, id_ in (
        (IMAGE_GEN_START, config.image_gen_start_token_id),
        (IMAGE_GEN_END, config.image_gen_end_token_id),
        (IMAGE_GEN_PAD, config.image_gen_pad_token_id),
    ):
        if _id(tokenizer, token) != id_:
            raise UserError(
                f"{folder}: token {token} has id {_id(tokenizer, token)} in the tokenizer and"
                f" {id_} in config.json; they must be equal. {DOWNLOAD_AGAIN}"
            )
    if config.guidance_null == "learned" and NULL_STATES not in tensors:
        raise UserError(
            f"{folder}: guidance_null is learned and tensor {NULL_STATES} is missing. Set "
            'guidance_null to "noise" in config.json.'
        )
    _expect(config, tensors, folder, "")
    return Start(config, tokenizer, _in_order(config, tensors))


def config_of(found: dict[str, Any], path: Path) -> VargptConfig:
    """A configuration from its file's content; UserError for one that contradicts itself."""
    try:
        return VargptConfig.from_dict(found)
    except (ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path}: no working configuration found ({reason}). Give a folder that `vargpt init` "
            "made, or an official checkpoint with parts of the published sizes."
        ) from error


def _tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    if not (folder / "tokenizer.json").is_file():
        raise UserError(
            f"{folder}: no tokenizer.json found, the text tokenizer beside the weights was "
            "expected. Download the whole folder."
        )
    return PreTrainedTokenizerFast.from_pretrained(folder)


def _id(tokenizer: PreTrainedTokenizerFast, token: Any) -> int:
    """Of a token, by its string."""
    return tokenizer.backend_tokenizer.token_to_id(str(token)) or 0


def _add_tokens(tokenizer: PreTrainedTokenizerFast, folder: Path) -> dict[str, int]:
    """Add the three tokens of drawn images; their ids follow the tokenizer's last."""
    first = len(tokenizer)
    tokenizer.add_tokens(list(NEW_TOKENS), special_tokens=True)
    ids = {token: _id(tokenizer, token) for token in NEW_TOKENS}
    if list(ids.values()) != [first, first + 1, first + 2]:
        raise UserError(
            f"{folder}: the tokenizer has some of {', '.join(NEW_TOKENS)} already, one without "
            "them was expected. Give llava-1.5-7b-hf, or an official folder with --vargpt."
        )
    return ids


def _decoder_sizes(tensors: StoredTensors, path: Path) -> VisualDecoderConfig:
    values: dict[str, Tensor] = {}
    for name, stored in tensors.items():
        is_needed = name == "lvl_1L"
        values[name] = stored.load() if is_needed else torch.empty(stored.shape, device="meta")
    return visual_decoder_config_of(values, path)


def _image_tokenizer(
    path: Path, sizes: ImageTokenizerConfig | None
) -> tuple[ImageTokenizerConfig, StoredTensors]:
    """Sizes and tensors under official names, of a file or a folder."""
    if path.is_dir():
        sizes = image_tokenizer_config(path / CONFIG)
        path = path / WEIGHTS
    return sizes or ImageTokenizerConfig(), _renamed(open_file(path), official_from_vae)


def _with_code_use(tensors: StoredTensors, config: VargptConfig) -> StoredTensors:
    """Training statistics have a row a scale; other scales start without any."""
    name = official_from_vae(CODE_USE)
    sizes = config.image_tokenizer_config
    shape = (len(sizes.patch_nums), sizes.vocab_size)
    if name not in tensors or tensors[name].shape == shape:
        return tensors
    return {**tensors, name: StoredTensor(shape, torch.float32, partial(torch.zeros, shape))}


def _renamed(tensors: StoredTensors, name_of: Any) -> StoredTensors:
    named = {name_of(name): tensor for name, tensor in tensors.items()}
    named.pop(None, None)
    return named


def _class_rows(
    from_var: StoredTensors, config: VargptConfig, rows: ConditionRows, seed: int, path: Path
) -> StoredTensor:
    source = from_var.get(CLASS_ROWS)
    if source is None or len(source.shape) != 2:
        raise UserError(f"{path}: no class_emb.weight found, var_d30.pth was expected. Give it.")
    shape = (config.visual_decoder_config.num_classes + 1, source.shape[1])

    def load() -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        table = torch.empty(shape).normal_(std=ROW_STD, generator=generator)
        if rows == "var":
            table[[config.training_condition, config.inference_condition]] = source.load()[-1].to(
                table.dtype
            )
        return table

    return StoredTensor(shape, torch.float32, load)


def _expect(
    config: VargptConfig, found: StoredTensors, path: Path, part: str | tuple[str, ...]
) -> None:
    own = {name: tensor for name, tensor in meta_tensors(config).items() if name.startswith(part)}
    expect_tensors(own, {n: t for n, t in found.items() if n.startswith(part)}, path)


def _in_order(config: VargptConfig, tensors: StoredTensors) -> StoredTensors:
    return {name: tensors[name] for name in meta_tensors(config)}
