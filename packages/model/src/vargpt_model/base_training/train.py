"""`vargpt train base`: the stand-ins of what the paper downloads, phase by phase.

OUT/config.json model.safetensors ...   the model that stage 1 starts from, with its processor
OUT/text contrast joint visual-decoder  a folder a phase: metrics, checkpoints/
OUT/curves.html                         of all phases
OUT/image-tokenizer codes               of the world's pictures, where no codes were given
OUT/manifest.json                       written last
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vargpt_model.base_training.config import BaseTraining
from vargpt_model.base_training.contrast import ContrastJob
from vargpt_model.base_training.language import LanguageJob
from vargpt_model.base_training.questions_check import QuestionsCheck
from vargpt_model.base_training.world import World
from vargpt_model.encoding import EncodeConfig, encode_images
from vargpt_model.image_tokenizer_folder import (
    open_image_tokenizer,
    save_image_tokenizer,
    weights_sha256,
)
from vargpt_model.processor import VargptProcessor
from vargpt_model.stage_training.finished_model import write_trained
from vargpt_model.training.checkpoints import MANIFEST, write_json
from vargpt_model.training.curves import write_curves
from vargpt_model.training.folder_lock import expect_config, locked
from vargpt_model.training.loop import Job, LoopConfig, run_steps
from vargpt_model.training.manifest import names_sha256, versions
from vargpt_model.vargpt import VargptConfig, VargptForConditionalGeneration
from vargpt_model.visual_decoder_training import (
    LabelledCodes,
    VisualDecoderTraining,
    labelled_codes,
    train_visual_decoder,
)
from vargpt_model.weights.model_folder import model_sha256, open_config, open_model
from vargpt_schema.errors import UserError
from vargpt_schema.world import NUM_CLASSES, index_of, scene_at

PRETRAINED_PARTS = "trained here on the sample world"


class TrainedBase(NamedTuple):
    """How a call ended."""

    phases: Mapping[str, int]  # steps done of each phase that was reached
    stopped_by: int | None  # number of the signal that ended it early
    folder: Path


def train_base(
    model: Path,
    data: Path,
    image_root: Path,
    out: Path,
    training: BaseTraining,
    *,
    image_tokenizer: Path | None = None,
    codes: Path | None = None,
) -> TrainedBase:
    """Train vision tower, understanding projector, LLM and visual decoder of a `vargpt init` model.

    On pictures of the sample world, which the `captions` table `data` names; or go on where an
    earlier call on OUT stopped. One process, on the GPU if there is one. `image_tokenizer` replaces
    the model's own; `codes` are those of the world's pictures, which are encoded first otherwise.
    The two generation projectors and the null states stay as they came. UserError for a model of
    published sizes, a folder that was started with another configuration, codes of another image
    tokenizer, or a loss that is no number.
    """
    config = open_config(model)
    _expect_world_model(config, model)
    seen = World(data, image_root)
    with locked(out):
        resolved = {
            **{name: v for name, v in asdict(training).items() if not name.endswith("_every")},
            "model_sha256": model_sha256(model),
            "image_tokenizer_sha256": _sha256_of_tokenizer(image_tokenizer),
            "rows_sha256": names_sha256(seen.names),
            "own_codes": codes is None,
        }
        expect_config(out, resolved)
        if (out / MANIFEST).is_file():
            done = json.loads((out / MANIFEST).read_text("utf-8"))["num_steps"]
            return TrainedBase(done, None, out)
        base = _Base(model, seen, out, training, image_tokenizer, codes)
        done = {}
        for phase, run in base.phases().items():
            done[phase], stopped_by = run()
            write_curves(out)
            if stopped_by is not None:
                return TrainedBase(done, stopped_by, out)
        state = base.model.state_dict()
        write_trained(state, config, base.processor, out, dtype=base.model.dtype)
        facts = {
            "command": "vargpt train base",
            "pretrained_parts": PRETRAINED_PARTS,
            "config": resolved,
            "num_steps": done,
            "model_sha256": model_sha256(out),
            "versions": versions(),
        }
        write_json(out / MANIFEST, facts)
    return TrainedBase(done, None, out)


class _Base:
    """The model under way, and the phases that it goes through."""

    def __init__(
        self,
        folder: Path,
        world: World,
        out: Path,
        training: BaseTraining,
        image_tokenizer: Path | None,
        codes: Path | None,
    ) -> None:
        self.world, self.out, self.training, self.codes = world, out, training, codes
        self.model: VargptForConditionalGeneration
        self.processor: VargptProcessor
        self.model, self.processor = open_model(folder)
        if image_tokenizer is not None:
            _replace_image_tokenizer(self.model, image_tokenizer)
        num_checked = min(training.num_checked, len(world.indices) // 2)
        last = len(world.indices) - num_checked
        self.rows = range(last)
        self.check = (
            QuestionsCheck(self.processor, world, range(last, len(world.indices)))
            if num_checked
            else None
        )

    def phases(self) -> Mapping[str, Callable[[], tuple[int, int | None]]]:
        """In order; each gives its steps done and the signal that stopped it."""
        training = self.training
        return {
            "text": partial(self._run, "text", training.text_steps),
            "contrast": partial(self._run, "contrast", training.contrast_steps),
            "joint": partial(self._run, "joint", training.joint_steps),
            "visual-decoder": self._run_decoder,
        }

    def _run(self, phase: str, num_steps: int) -> tuple[int, int | None]:
        training = self.training
        loop = LoopConfig(
            what=f"base, {phase}",
            num_steps=num_steps,
            seed=training.seed,
            log_every=training.log_every,
            save_every=training.save_every,
        )
        (self.out / phase).mkdir(exist_ok=True)
        ended = run_steps(self._job(phase), loop, self.out / phase)
        return ended.step, ended.stopped_by

    def _job(self, phase: str) -> Job:
        parts = (self.model, self.processor, self.training, self.world, self.rows)
        if phase == "contrast":
            return ContrastJob(*parts)
        if phase == "text":
            return LanguageJob(*parts, phase="text")
        return LanguageJob(*parts, phase="joint", check=self.check)

    def _run_decoder(self) -> tuple[int, int | None]:
        training, config = self.training, self.model.config
        if not training.decoder_steps:
            return 0, None
        codes = self.codes
        if codes is None:
            own = self.out / "image-tokenizer"
            if not (own / "model.safetensors").is_file():
                save_image_tokenizer(self.model.vae_local, own)
            codes = self.out / "codes"
            encoded = encode_images(own, self.world.pictures, codes, EncodeConfig(centre="whole"))
            if encoded.stopped_by is not None:
                return 0, encoded.stopped_by
        labelled = labelled_codes(
            codes, self.world.captions, config.visual_decoder_config.patch_nums
        )
        if training.decoder_scenes == "one-object":
            labelled = of_one_object(labelled)
        trained = train_visual_decoder(
            self.model.vae_local,
            labelled,
            self.out / "visual-decoder",
            config.visual_decoder_config,
            decoder_training(training),
        )
        self.model.vargpt_gen.load_state_dict(trained.decoder.state_dict())
        return trained.step, trained.stopped_by


def decoder_training(training: BaseTraining) -> VisualDecoderTraining:
    """The decoder's phase as its own trainer takes it."""
    return VisualDecoderTraining(
        num_steps=training.decoder_steps,
        batch_size=training.decoder_batch_size,
        seed=training.seed,
        base_lr=training.decoder_lr * 256 / training.decoder_batch_size,
        warmup_frac=training.warmup_frac,
        end_lr_frac=training.end_lr_frac,
        weight_decay=0.0,
        end_weight_decay=0.0,
        max_grad_norm=training.max_grad_norm,
        loss_weights=training.decoder_loss_weights,
        gamma_gain=training.decoder_gamma_gain,
        log_every=training.log_every,
        save_every=training.save_every,
    )


def of_one_object(codes: LabelledCodes) -> LabelledCodes:
    """The rows whose picture shows one object: its class then tells all but the position.

    UserError when there is none.
    """
    kept = np.array(
        [
            len(scene_at(index_of(f"world-{Path(name.split()[0]).stem}")).objects) == 1
            for name in codes.names
        ]
    )
    if not kept.any():
        raise UserError(
            f"{len(kept)} pictures of two objects found, some of one object were expected. Give "
            "more rows, or --set decoder_scenes=all."
        )
    return codes._replace(
        code_ids=codes.code_ids[kept],
        labels=codes.labels[kept],
        names=[name for name, is_kept in zip(codes.names, kept, strict=True) if is_kept],
    )


def _expect_world_model(config: VargptConfig, folder: Path) -> None:
    if config.visual_decoder_config.num_classes == NUM_CLASSES + 1:
        return
    raise UserError(
        f"{folder}: a decoder of {config.visual_decoder_config.num_classes:,} condition rows, "
        f"{NUM_CLASSES + 1:,} expected: stand-ins are made for the presets tiny and small. "
        "Larger models start from published parts: `vargpt init --llava P --var P --vae P`."
    )


def _sha256_of_tokenizer(folder: Path | None) -> str | None:
    return None if folder is None else weights_sha256(open_image_tokenizer(folder))


def _replace_image_tokenizer(model: VargptForConditionalGeneration, folder: Path) -> None:
    found = open_image_tokenizer(folder)
    own = model.vae_local.config
    if found.config != own:
        raise UserError(
            f"{folder}: an image tokenizer of other sizes than the model's found. Make the model "
            f"with `vargpt init --preset tiny --image-tokenizer {folder} --out DIR`."
        )
    model.vae_local.load_state_dict(found.state_dict())
