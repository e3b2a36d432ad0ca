"""`vargpt train --engine fsdp2`: two ranks with a part of every tensor each."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.model.stages.conftest import draws, talks, write_rows
from tests.model.stages.test_stage_processes import metrics, without_dropout, words
from tests.model.stages.test_train_stage import brief, paths
from tests.model.vargpt_command import environment, run
from vargpt_model.stage_training import train_stage
from vargpt_model.weights import open_model
from vargpt_schema import UserError
from vargpt_schema.world import SPLITS


def on_two_ranks(*arguments: object) -> str:
    """Standard error of a command under torchrun."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *("--no-python", str(Path(sys.executable).with_name("vargpt")), *map(str, arguments)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    return ran.stderr


@pytest.mark.slow
def test_sharded_ranks_follow_one_process_resume_and_leave_the_same_model(world, tmp_path):
    plain = without_dropout(world, tmp_path / "model")
    write_rows(tmp_path / "rows", [*map(draws, SPLITS["train"][:4]), *map(talks, range(12))])
    plain = plain._replace(mixed=tmp_path / "rows")
    settings = ("max_steps=8", "null_dropout=0", "batch_size=16", "max_micro_positions=200")
    alone, sharded = tmp_path / "alone", tmp_path / "sharded"
    ran = run(*words(plain, "3", alone, *settings))
    assert ran.returncode == 0, ran.stderr
    command = [*words(plain, "3", sharded, *settings), "--engine", "fsdp2"]
    on_two_ranks(*command)
    first = metrics(sharded)
    for ours, theirs in zip(first, metrics(alone), strict=True):
        for name in ("loss", "text_loss", "image_loss", "grad_norm", "loss_by_scale"):
            assert ours[name] == pytest.approx(theirs[name], rel=2e-4), (name, ours["step"])
    one, two = (open_model(out, device="cpu").model.state_dict() for out in (alone, sharded))
    start = open_model(plain.model, device="cpu").model.state_dict()
    torch.testing.assert_close(two, one, rtol=1e-3, atol=1e-4)
    moved = {name.split(".")[0] for name in start if not torch.equal(start[name], two[name])}
    assert {"vargpt_gen", "image_gen_projector", "image_gen_projector_out"} <= moved
    assert "language_model" not in moved

    shutil.rmtree(sharded / "checkpoints" / "step-00000008")
    (sharded / "manifest.json").unlink()
    (sharded / "model.safetensors").unlink()
    assert "resumed at step 4" in on_two_ranks(*command)
    for ours, theirs in zip(metrics(sharded), first, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    again = open_model(sharded, device="cpu").model.state_dict()
    torch.testing.assert_close(again, two, rtol=1e-5, atol=1e-6)


def test_fsdp2_wants_ranks_and_draws_no_pictures(world, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="--engine fsdp2: one process found, several ranks were"):
        train_stage("3", world.model, paths(world), tmp_path, brief("3"), engine="fsdp2")
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="sample_every 2 found, 0 was expected"):
        train_stage(
            "3", world.model, paths(world), tmp_path, brief("3", sample_every=2), engine="fsdp2"
        )
