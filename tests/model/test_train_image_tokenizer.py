"""`vargpt train image-tokenizer`: it learns, resumes bitwise, and stops in the open."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.model.vargpt_command import run, started, wait_for_lines
from tests.model.world_pictures import SMALL, WorldPictures, save_pictures
from vargpt_model.image_tokenizer_folder import open_image_tokenizer
from vargpt_model.image_tokenizer_training import ImageTokenizerTraining, train_image_tokenizer
from vargpt_model.training.image_batches import ImageBatches
from vargpt_schema.errors import UserError

BRIEF = ImageTokenizerTraining(num_steps=12, batch_size=4, log_every=1, save_every=4)


def metrics(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_it_learns_and_leaves_a_folder_that_loads(tmp_path):
    training = replace(BRIEF, num_steps=60, batch_size=8)
    trained = train_image_tokenizer(WorldPictures(64), tmp_path, SMALL, training)
    assert (trained.step, trained.stopped_by) == (60, None)
    lines = metrics(tmp_path)
    first, last = (sum(line["l1"] for line in part) for part in (lines[:10], lines[-10:]))
    assert last < 0.8 * first
    assert [len(line["codebook_use_by_scale"]) for line in lines[-2:]] == [2, 2]
    tokenizer = open_image_tokenizer(tmp_path)
    assert tokenizer.config == SMALL
    assert [ids.shape for ids in tokenizer.encode(torch.zeros(1, 3, 16, 16))] == [(1, 1), (1, 4)]


def test_stopped_and_resumed_equals_undisturbed(tmp_path, monkeypatch):
    pictures = WorldPictures(10)
    adversarial = replace(BRIEF, adversarial_weight=0.1, adversarial_start_frac=0.3)
    model = replace(SMALL, patch_nums=(1, 4), dropout=0.1)  # 32 px, as the discriminator needs
    train_image_tokenizer(pictures, tmp_path / "whole", model, adversarial)
    batch_of = ImageBatches.at

    for limit in (5, 6, 9):  # after a checkpoint, before codes begin, after the adversary has begun

        def failing(self, step, limit=limit):
            if step == limit:
                raise MemoryError
            return batch_of(self, step)

        monkeypatch.setattr(ImageBatches, "at", failing)
        with pytest.raises(MemoryError):
            train_image_tokenizer(pictures, tmp_path / "parts", model, adversarial)
    monkeypatch.setattr(ImageBatches, "at", batch_of)
    train_image_tokenizer(pictures, tmp_path / "parts", model, adversarial)
    whole, parts = (tmp_path / name / "model.safetensors" for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "parts")


def test_other_configuration_on_a_started_folder_is_refused_with_the_difference(tmp_path):
    train_image_tokenizer(WorldPictures(8), tmp_path, SMALL, replace(BRIEF, num_steps=1))
    with pytest.raises(UserError, match="batch_size: started with 4, now 2"):
        train_image_tokenizer(
            WorldPictures(8), tmp_path, SMALL, replace(BRIEF, num_steps=1, batch_size=2)
        )


def test_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match=r"thesis\.txt"):
        train_image_tokenizer(WorldPictures(8), tmp_path, SMALL, BRIEF)


def test_nan_loss_names_step_and_rows(tmp_path, monkeypatch):
    batch_of = ImageBatches.at

    def poisoned(self, step):
        batch = batch_of(self, step)
        return batch._replace(pixels=batch.pixels * torch.nan) if step == 3 else batch

    monkeypatch.setattr(ImageBatches, "at", poisoned)
    with pytest.raises(UserError, match=r"step 3: loss nan found.*world/0000000\d\.png"):
        train_image_tokenizer(WorldPictures(8), tmp_path, SMALL, BRIEF)


def test_unreadable_images_are_skipped_and_counted(tmp_path, capsys):
    names = save_pictures(tmp_path / "images", 8)
    (tmp_path / "images" / names[2]).write_bytes(b"no image")
    ran = train_small(tmp_path / "out", tmp_path / "images", num_steps=8)
    assert ran.num_unreadable == 1
    assert f"skipped: {tmp_path / 'images' / names[2]}: unreadable" in capsys.readouterr().err
    assert {line["num_images"] for line in metrics(tmp_path / "out")} <= {3, 4}


def train_small(out: Path, images: Path, **changes: int):
    from vargpt_model.pictures import pictures_in

    return train_image_tokenizer(pictures_in(images), out, SMALL, replace(BRIEF, **changes))


def test_collapse_is_told_once(tmp_path, capsys):
    # One colour everywhere needs one code a scale.
    class Grey(WorldPictures):
        def open(self, name):  # noqa: ARG002, the protocol's
            return Image.new("RGB", (16, 16), "grey")

    model = replace(SMALL, vocab_size=64)
    training = replace(BRIEF, num_steps=80, restart_frac=0.0, codebook_decay=0.8)
    train_image_tokenizer(Grey(8), tmp_path, model, training)
    told = [line for line in capsys.readouterr().err.splitlines() if "codebook collapse" in line]
    assert len(told) == 1
    assert "of 64 codes in use" in told[0]


COMMAND = [
    "train",
    "image-tokenizer",
    *("--set-model", "vocab_size=16", "--set-model", "code_dim=4"),
    *("--set-model", "base_channels=8", "--set-model", "num_norm_groups=4"),
    *("--set-model", "stem_stride=8", "--set-model", "patch_nums=1,2"),
    *("--set", "num_steps=400", "--set", "batch_size=4", "--set", "save_every=7"),
    *("--set", "log_every=1"),
]


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    save_pictures(folder, 20)
    return folder


@pytest.mark.slow
def test_killed_again_and_again_equals_undisturbed(tmp_path, images):
    words = [*COMMAND, "--image-root", images]
    undisturbed = run(*words, "--out", tmp_path / "whole")
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert undisturbed.stdout == f"400 of 400 steps, 0 images unreadable -> {tmp_path}/whole\n"
    killed = tmp_path / "killed"
    for lines in (3, 45, 160, 290):
        process = started(*words, "--out", killed)
        wait_for_lines(killed / "metrics.jsonl", lines, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    resumed = run(*words, "--out", killed)
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed at step" in resumed.stderr
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (killed / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
def test_sigterm_saves_exits_0_and_prints_the_command(tmp_path, images):
    out = tmp_path / "out"
    process = started(*COMMAND, "--image-root", images, "--out", out)
    wait_for_lines(out / "metrics.jsonl", 20, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"Continue with: vargpt {' '.join(COMMAND)} --image-root {images} --out {out}" in errors
    logged = metrics(out)[-1]["step"]
    assert (out / "checkpoints" / f"step-{logged:08d}" / "manifest.json").exists()
    assert not (out / "model.safetensors").exists()


@pytest.mark.slow
def test_second_process_on_a_folder_is_refused(tmp_path, images):
    out = tmp_path / "out"
    words = [*COMMAND, "--image-root", images, "--out", out]
    process = started(*words)
    try:
        wait_for_lines(out / "metrics.jsonl", 1, process)
        second = run(*words)
    finally:
        process.kill()
        process.communicate()
    assert second.returncode == 2
    assert second.stderr == (
        f"error: {out}: process {process.pid} is at work in this folder, one at a time was "
        "expected. Wait for it, or choose another folder with --out DIR.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "nonsense=1"], "--set nonsense=1: one of adversarial_start_frac"),
        (["--set", "num_steps=many"], "--set num_steps=many: 'many' found, a value like"),
        (["--set", "num_steps=0"], "must be at least 1"),
        (["--perceptual-vgg", __file__], "--perceptual-vgg and --perceptual-weights: one of the"),
    ],
)
def test_mistakes_are_one_line(tmp_path, images, monkeypatch, capsys, words, message):
    from vargpt_model.cli import main

    words = ["vargpt", "train", "image-tokenizer", *words, "--image-root", str(images)]
    monkeypatch.setattr("sys.argv", [*words, "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    error = capsys.readouterr().err
    assert (ended.value.code, error.count("\n")) == (2, 1)
    assert message in error


def test_config_file_gives_repeated_options_as_lists(tmp_path, images, monkeypatch, capsys):
    from vargpt_model.cli import main

    (tmp_path / "c.toml").write_text(
        'set = ["num_steps=2", "peak_lr=fast"]\nset-model = "code_dim=4"'
    )
    words = ["vargpt", "train", "image-tokenizer", "--config", str(tmp_path / "c.toml")]
    monkeypatch.setattr("sys.argv", [*words, "--image-root", str(images), "--out", "out"])
    with pytest.raises(SystemExit):
        main()
    assert "--set peak_lr=fast: 'fast' found, a value like 0.002" in capsys.readouterr().err


def test_missing_image_root_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no such folder found"):
        train_small(tmp_path / "out", tmp_path / "nowhere")
