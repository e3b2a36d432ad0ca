"""`vargpt train` as processes: killed, told to stop, on a full disk, on two ranks."""

import json
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.model.stages.conftest import World, draws, talks, write_rows
from tests.model.vargpt_command import (
    PATIENCE_S,
    START,
    environment,
    run,
    started,
    wait_for_lines,
)
from vargpt_schema.world import SPLITS


def words(world: World, stage: str, out: Path, *settings: str, rows: str = "mixed") -> list[object]:
    given = [
        *("batch_size=6", "log_every=1", "view=whole", "save_every=4"),
        *("peak_lr=0.003", *settings),
    ]
    return [
        *("train", stage, "--model", world.model, "--data", getattr(world, rows)),
        *("--image-root", world.images, "--codes", world.codes),
        *(word for setting in given for word in ("--set", setting)),
        *("--out", out),
    ]


def metrics(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_killed_again_and_again_equals_undisturbed(world, tmp_path):
    settings = ("max_steps=60", "code_dropout=0.1", "null_dropout=0.3")
    undisturbed = run(*words(world, "3", tmp_path / "whole", *settings))
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert undisturbed.stdout == f"60 of 60 steps, 0 rows unreadable -> {tmp_path}/whole\n"
    killed = tmp_path / "killed"
    for lines in (2, 21, 43):
        process = started(*words(world, "3", killed, *settings))
        wait_for_lines(killed / "metrics.jsonl", lines, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    resumed = run(*words(world, "3", killed, *settings))
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed at step" in resumed.stderr
    for name in ("metrics.jsonl", "model.safetensors"):
        assert (killed / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    drawn = run(
        *("generate", "--model", killed, "--prompts", "Please draw a red circle."),
        *("--min-images", 1, "--max-images", 1, "--max-part-tokens", 3),
        *("--out", tmp_path / "drawn"),
    )
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.startswith("1 prompts, 1 images")


@pytest.mark.slow
def test_sigterm_saves_exits_0_and_prints_the_command(world, tmp_path):
    command = words(world, "2", tmp_path / "out", "max_steps=100000")
    process = started(*command)
    wait_for_lines(tmp_path / "out" / "metrics.jsonl", 6, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert f"Continue with: vargpt {' '.join(map(str, command))}" in errors
    logged = metrics(tmp_path / "out")[-1]["step"]
    assert (tmp_path / "out" / "checkpoints" / f"step-{logged:08d}" / "manifest.json").exists()
    assert not (tmp_path / "out" / "model.safetensors").exists()


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_keeps_what_was_saved(world, tmp_path):
    out = tmp_path / "out"
    process = started(*words(world, "3", out, "max_steps=100000"))
    wait_for_lines(out / "metrics.jsonl", 5, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    before = sorted((out / "checkpoints").iterdir())
    ran = subprocess.run(
        [*START, *map(str, words(world, "3", out, "max_steps=100000"))],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        preexec_fn=small_files,
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 2
    last = ran.stderr.splitlines()[-1]
    assert last.startswith(f"error: {out}/checkpoints/step-")
    assert "File too large; room for the whole file was expected" in last
    assert before[-1] in sorted((out / "checkpoints").iterdir())
    assert not list((out / "checkpoints").glob(".*tmp*"))


def without_dropout(world: World, folder: Path) -> World:
    """The same world with a model that draws nothing at random: ranks have their own streams."""
    shutil.copytree(world.model, folder)
    config = json.loads((folder / "config.json").read_text())
    config["visual_decoder"]["condition_dropout"] = 0.0
    (folder / "config.json").write_text(json.dumps(config))
    return world._replace(model=folder)


@pytest.mark.slow
def test_two_ranks_one_of_them_without_images_follow_one_process(world, tmp_path):
    plain = without_dropout(world, tmp_path / "model")
    scenes = SPLITS["train"]
    write_rows(tmp_path / "rows", [*map(draws, scenes[:4]), *map(talks, range(12))])
    plain = plain._replace(mixed=tmp_path / "rows")
    # The four that draw are the longest, and come to one rank.
    settings = ("max_steps=6", "null_dropout=0", "batch_size=16", "max_micro_positions=400")
    alone = run(*words(plain, "3", tmp_path / "alone", *settings))
    assert alone.returncode == 0, alone.stderr
    assert "1 ranks x 3 micro-batches" in alone.stderr
    ranks = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *("--no-python", str(Path(sys.executable).with_name("vargpt"))),
            *map(str, words(plain, "3", tmp_path / "ranks", *settings)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=2 * PATIENCE_S,
    )
    assert ranks.returncode == 0, ranks.stderr[-3000:]
    assert "2 ranks x 2 micro-batches" in ranks.stderr
    one, two = metrics(tmp_path / "alone"), metrics(tmp_path / "ranks")
    assert [line["step"] for line in two] == list(range(1, 7))
    for ours, theirs in zip(two, one, strict=True):
        for name in ("loss", "text_loss", "image_loss", "grad_norm", "loss_by_scale"):
            assert ours[name] == pytest.approx(theirs[name], rel=2e-4), (name, ours["step"])
        assert (ours["num_labels"], ours["num_images"]) == (theirs["num_labels"], 4)
    assert one[-1]["image_loss"] < one[0]["image_loss"]
