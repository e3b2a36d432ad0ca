"""`vargpt train image-tokenizer`: images -> a folder with `config.json` and `model.safetensors`."""

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from vargpt_model.image_tokenizer import ImageTokenizer, ImageTokenizerConfig
from vargpt_model.image_tokenizer_folder import WEIGHTS, save_image_tokenizer
from vargpt_model.image_tokenizer_training.config import ImageTokenizerTraining
from vargpt_model.image_tokenizer_training.job import ImageTokenizerJob
from vargpt_model.image_tokenizer_training.perceptual import PerceptualDistance
from vargpt_model.image_tokenizer_training.rebuilt_pictures import rebuilt_pictures
from vargpt_model.pictures import Pictures
from vargpt_model.training.checkpoints import MANIFEST, sha256_of, write_json
from vargpt_model.training.folder_lock import expect_config, locked
from vargpt_model.training.image_batches import ImageBatches
from vargpt_model.training.loop import LoopConfig, run_steps, warn
from vargpt_model.training.manifest import names_sha256, versions


class PerceptualFiles(NamedTuple):
    """Weights of the perceptual term."""

    vgg: Path  # torchvision's vgg16-397923af.pth
    channel_weights: Path  # vgg.pth of LPIPS 0.1


class Trained(NamedTuple):
    """How a call ended."""

    step: int  # steps done, earlier calls included
    num_steps: int
    stopped_by: int | None  # number of the signal that ended it early
    num_unreadable: int  # images that this call could not read
    folder: Path


def train_image_tokenizer(
    pictures: Pictures,
    out: Path,
    model: ImageTokenizerConfig,
    training: ImageTokenizerTraining,
    *,
    perceptual_files: PerceptualFiles | None = None,
) -> Trained:
    """Train from random weights, or go on where an earlier call on OUT stopped.

    One process, on the GPU if there is one. OUT gets `config.json`, `model.safetensors`,
    `metrics.jsonl`, `curves.html`, `checkpoints/`, and at the end `manifest.json`. UserError for a
    folder that was started with another configuration, unreadable images only, or a loss that is
    no number.
    """
    with locked(out):
        resolved = _resolved(pictures, model, training, perceptual_files)
        expect_config(out, resolved)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        batches = ImageBatches(
            pictures,
            view=training.view,
            image_size_px=model.image_size_px,
            batch_size=training.batch_size,
            seed=training.seed,
            device=device,
            warn=warn,
        )
        torch.manual_seed(training.seed)
        tokenizer = ImageTokenizer(model).to(device)
        perceptual = PerceptualDistance(*perceptual_files).to(device) if perceptual_files else None
        job = ImageTokenizerJob(tokenizer, training, batches, perceptual=perceptual)
        ended = run_steps(
            job, _loop(training), out, draw=partial(rebuilt_pictures, tokenizer, pictures)
        )
        if ended.stopped_by is None:
            save_image_tokenizer(tokenizer, out)
            write_json(
                out / MANIFEST,
                {
                    "command": "vargpt train image-tokenizer",
                    "config": resolved,
                    "num_steps": ended.step,
                    "model_sha256": sha256_of(out / WEIGHTS),
                    "versions": versions(),
                },
            )
        return Trained(
            ended.step, training.num_steps, ended.stopped_by, len(batches.unreadable), out
        )


def _resolved(
    pictures: Pictures,
    model: ImageTokenizerConfig,
    training: ImageTokenizerTraining,
    perceptual_files: PerceptualFiles | None,
) -> Mapping[str, Any]:
    """What a resumed call must share with the first; how often it tells and saves is free."""
    resolved = {**asdict(model), **asdict(training)}
    for free in ("log_every", "save_every", "sample_every"):
        del resolved[free]
    return {
        **resolved,
        "num_images": len(pictures.names),
        "image_names_sha256": names_sha256(pictures.names),
        "perceptual_sha256": (
            [sha256_of(path) for path in perceptual_files] if perceptual_files else None
        ),
    }


def _loop(training: ImageTokenizerTraining) -> LoopConfig:
    return LoopConfig(
        what="image-tokenizer",
        num_steps=training.num_steps,
        seed=training.seed,
        log_every=training.log_every,
        save_every=training.save_every,
        sample_every=training.sample_every,
    )
