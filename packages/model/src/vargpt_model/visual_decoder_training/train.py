"""The class-conditional base of the visual decoder: codes and labels -> `model.safetensors`."""

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file

from vargpt_model.image_tokenizer import ImageTokenizer
from vargpt_model.image_tokenizer_folder import weights_sha256
from vargpt_model.training.checkpoints import MANIFEST, sha256_of, write_file, write_json
from vargpt_model.training.folder_lock import expect_config, locked
from vargpt_model.training.loop import LoopConfig, run_steps
from vargpt_model.training.manifest import names_sha256, versions
from vargpt_model.visual_decoder import VisualDecoder, VisualDecoderConfig, initialize
from vargpt_model.visual_decoder_training.config import VisualDecoderTraining
from vargpt_model.visual_decoder_training.job import VisualDecoderJob
from vargpt_model.visual_decoder_training.labelled_codes import LabelledCodes
from vargpt_schema.errors import UserError

WEIGHTS = "model.safetensors"


class TrainedDecoder(NamedTuple):
    """How a call ended."""

    decoder: VisualDecoder
    step: int  # steps done, earlier calls included
    stopped_by: int | None  # number of the signal that ended it early


def train_visual_decoder(
    tokenizer: ImageTokenizer,
    codes: LabelledCodes,
    out: Path,
    model: VisualDecoderConfig,
    training: VisualDecoderTraining,
) -> TrainedDecoder:
    """Train from random weights, or go on where an earlier call on OUT stopped.

    One process, on the device of `tokenizer`, whose codebook and phi make the inputs. OUT gets
    `model.safetensors` (VAR's keys; `checkpoint.load_visual_decoder` reads it), `metrics.jsonl`,
    `checkpoints/` and `manifest.json`. UserError for labels outside the class table, sizes that
    differ, a folder that was started with another configuration, or a loss that is no number.
    """
    _expect_fit(tokenizer, codes, model)
    with locked(out):
        resolved = {
            **asdict(model),
            **asdict(training),
            **asdict(codes.config),
            "num_rows": len(codes.labels),
            "rows_sha256": names_sha256(codes.names),
        }
        for free in ("log_every", "save_every"):
            del resolved[free]
        expect_config(out, resolved)
        torch.manual_seed(training.seed)
        decoder = VisualDecoder(model)
        initialize(decoder, gamma_gain=training.gamma_gain)
        decoder.to(tokenizer.quantize.embedding.weight.device)
        job = VisualDecoderJob(decoder, tokenizer, training, codes)
        loop = LoopConfig(
            what="visual-decoder",
            num_steps=training.num_steps,
            seed=training.seed,
            log_every=training.log_every,
            save_every=training.save_every,
        )
        ended = run_steps(job, loop, out)
        if ended.stopped_by is None:
            tensors = {name: value.cpu() for name, value in decoder.state_dict().items()}
            write_file(out / WEIGHTS, lambda path: save_file(tensors, path, {"format": "pt"}))
            facts = {"config": resolved, "num_steps": ended.step, "versions": versions()}
            write_json(out / MANIFEST, {**facts, "model_sha256": sha256_of(out / WEIGHTS)})
        return TrainedDecoder(decoder.eval(), ended.step, ended.stopped_by)


def _expect_fit(
    tokenizer: ImageTokenizer, codes: LabelledCodes, model: VisualDecoderConfig
) -> None:
    for name, found in (
        ("patch_nums", codes.config.patch_nums),
        ("vocab_size", codes.config.vocab_size),
        ("patch_nums", tokenizer.config.patch_nums),
        ("vocab_size", tokenizer.config.vocab_size),
        ("code_dim", tokenizer.config.code_dim),
    ):
        if found != getattr(model, name):
            raise UserError(
                f"{name}: codes or image tokenizer have {found}, the visual decoder "
                f"{getattr(model, name)}; they must be equal. Give the sizes of these codes."
            )
    if codes.config.tokenizer_sha256 != weights_sha256(tokenizer):
        raise UserError(
            f"codes of image tokenizer {codes.config.tokenizer_sha256[:12]} found, this one is "
            f"{weights_sha256(tokenizer)[:12]}. Encode the images with this image tokenizer."
        )
    labels = codes.labels
    if labels.min() < 0 or labels.max() >= model.num_classes:
        raise UserError(
            f"labels {labels.min()} to {labels.max()} found, a decoder of {model.num_classes} "
            f"classes has 0 to {model.num_classes - 1}. Give a decoder of more classes."
        )
