"""Class-conditional training of a visual decoder on codes: it learns, resumes, and checks."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.model.world_pictures import SMALL
from vargpt_datagen.world import captions_table
from vargpt_model import ImageTokenizer, VisualDecoderConfig
from vargpt_model.checkpoint import load_visual_decoder
from vargpt_model.image_tokenizer_folder import weights_sha256
from vargpt_model.visual_decoder_training import (
    LabelledCodes,
    VisualDecoderTraining,
    labelled_codes,
    train_visual_decoder,
)
from vargpt_model.visual_decoder_training.code_metrics import code_weights, mean_by_scale
from vargpt_model.visual_decoder_training.job import VisualDecoderJob
from vargpt_schema import CAPTIONS
from vargpt_schema.errors import UserError
from vargpt_schema.image_codes import CodesConfig, ImageCodesRecord, write_image_codes
from vargpt_schema.world import image_path, label_at

MODEL = VisualDecoderConfig(
    num_layers=1,
    hidden_dim=16,
    num_heads=2,
    num_classes=1000,
    vocab_size=16,
    code_dim=4,
    patch_nums=(1, 2),
)
BRIEF = VisualDecoderTraining(
    num_steps=9, batch_size=8, base_lr=0.1, gamma_gain=1.0, log_every=1, save_every=2
)


@pytest.fixture
def tokenizer() -> ImageTokenizer:
    torch.manual_seed(0)
    return ImageTokenizer(SMALL).eval()


def codes_config(tokenizer: ImageTokenizer) -> CodesConfig:
    return CodesConfig(
        patch_nums=(1, 2),
        vocab_size=16,
        image_size_px=16,
        tokenizer_sha256=weights_sha256(tokenizer),
    )


def class_codes(tokenizer: ImageTokenizer, num_classes: int = 2) -> LabelledCodes:
    """Images of class c have nothing but code c."""
    labels = np.arange(12) % num_classes
    return LabelledCodes(
        np.repeat(labels[:, None], 5, axis=1).astype(np.uint16),
        labels.astype(np.int64),
        [f"{row}.png (centre)" for row in range(12)],
        0,
        codes_config(tokenizer),
    )


def test_it_learns_codes_from_classes_scale_by_scale(tmp_path, tokenizer):
    training = replace(BRIEF, num_steps=80)
    train_visual_decoder(tokenizer, class_codes(tokenizer), tmp_path, MODEL, training)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["loss"] == pytest.approx(np.log(16), rel=0.1)
    assert lines[-1]["loss"] < 0.3
    # The finer scale can be read off the coarser one even where the class was dropped.
    assert lines[-1]["accuracy_by_scale"][1] == 1.0
    assert lines[-1]["loss_by_scale"][1] < lines[0]["loss_by_scale"][1] / 10
    loaded = load_visual_decoder(tmp_path / "model.safetensors", MODEL)
    trained = train_visual_decoder(tokenizer, class_codes(tokenizer), tmp_path, MODEL, training)
    assert trained.step == 80
    torch.testing.assert_close(trained.decoder.state_dict(), loaded.state_dict(), rtol=0, atol=0)


def test_stopped_and_resumed_equals_undisturbed(tmp_path, tokenizer, monkeypatch):
    codes = class_codes(tokenizer)
    train_visual_decoder(tokenizer, codes, tmp_path / "whole", MODEL, BRIEF)
    step_of = VisualDecoderJob.step

    def failing(self, step):
        if step == 5:
            raise MemoryError
        return step_of(self, step)

    monkeypatch.setattr(VisualDecoderJob, "step", failing)
    with pytest.raises(MemoryError):
        train_visual_decoder(tokenizer, codes, tmp_path / "parts", MODEL, BRIEF)
    monkeypatch.setattr(VisualDecoderJob, "step", step_of)
    train_visual_decoder(tokenizer, codes, tmp_path / "parts", MODEL, BRIEF)
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_micro_batches_give_the_gradient_of_the_whole_batch(tmp_path, tokenizer):
    model = replace(MODEL, condition_dropout=0.0, drop_path=0.0)
    weights = []
    for count in (1, 3):
        training = replace(BRIEF, num_steps=3, num_micro_batches=count)
        trained = train_visual_decoder(
            tokenizer, class_codes(tokenizer), tmp_path / str(count), model, training
        )
        weights.append(trained.decoder.state_dict())
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-4, atol=1e-5)


def test_codes_weigh_alike_or_scales_do():
    assert code_weights((1, 2), "codes").tolist() == pytest.approx([0.2] * 5)
    assert code_weights((1, 2), "scales").tolist() == [0.5, 0.125, 0.125, 0.125, 0.125]


def test_means_are_taken_over_each_scale():
    values = torch.tensor([[1.0, 2, 2, 4, 4], [3.0, 0, 0, 0, 0]])
    assert mean_by_scale(values, (1, 2)).tolist() == [2.0, 1.5]


def test_codes_and_captions_are_joined_by_image(tmp_path, tokenizer):
    captions = tmp_path / "captions.parquet"
    CAPTIONS.write(captions_table([7, 3, 5]), captions)
    stored = [(3, "centre"), (3, "random-0"), (9, "centre"), (7, "centre")]
    records = [
        ImageCodesRecord(image=image_path(index), crop=crop, code_ids=(index,) * 5)
        for index, crop in stored
    ]
    write_image_codes(records, tmp_path / "codes.parquet", codes_config(tokenizer))
    joined = labelled_codes(tmp_path / "codes.parquet", captions, (1, 2))
    assert joined.code_ids[:, 0].tolist() == [3, 3, 7]
    assert joined.labels.tolist() == [label_at(3), label_at(3), label_at(7)]
    assert joined.names[1] == "world/00000003.png (random-0)"
    assert joined.num_unlabelled == 1


def test_captions_of_other_images_are_one_line(tmp_path, tokenizer):
    CAPTIONS.write(captions_table([7]), tmp_path / "captions.parquet")
    record = ImageCodesRecord(image=image_path(1), crop="centre", code_ids=(0,) * 5)
    write_image_codes([record], tmp_path / "codes.parquet", codes_config(tokenizer))
    with pytest.raises(UserError, match="a label for none of the 1 rows"):
        labelled_codes(tmp_path / "codes.parquet", tmp_path / "captions.parquet", (1, 2))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"vocab_size": 8}, "vocab_size: codes or image tokenizer have 16, the visual decoder 8"),
        ({"code_dim": 8}, "code_dim: codes or image tokenizer have 4"),
        ({"num_classes": 1}, "labels 0 to 1 found, a decoder of 1 classes"),
    ],
)
def test_decoder_of_other_sizes_is_one_line(tmp_path, tokenizer, model, message):
    with pytest.raises(UserError, match=message):
        train_visual_decoder(
            tokenizer, class_codes(tokenizer), tmp_path, replace(MODEL, **model), BRIEF
        )


def test_codes_of_another_image_tokenizer_are_refused(tmp_path, tokenizer):
    codes = class_codes(tokenizer)
    with torch.no_grad():
        tokenizer.quantize.embedding.weight.add_(1)
    with pytest.raises(UserError, match="Encode the images with this image tokenizer"):
        train_visual_decoder(tokenizer, codes, tmp_path, MODEL, BRIEF)


def test_nan_loss_names_step_and_rows(tmp_path: Path, tokenizer):
    training = replace(BRIEF, base_lr=1e30, warmup_frac=0.0)
    with pytest.raises(UserError, match=r"step \d: loss (nan|inf) found.*\.png \(centre\)"):
        train_visual_decoder(tokenizer, class_codes(tokenizer), tmp_path, MODEL, training)
