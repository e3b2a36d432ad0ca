"""`vargpt train --engine fsdp2`: two ranks with a part of every tensor each."""

import shutil
import socket

import pytest
import torch

from tests.model.stages.conftest import asks, draws, talks, write_rows
from tests.model.stages.test_stage_processes import metrics, without_dropout, words
from tests.model.stages.test_train_stage import brief, paths
from tests.model.vargpt_command import started
from vargpt_model.settings import with_settings
from vargpt_model.stage_training import train_stage
from vargpt_model.weights import open_model
from vargpt_schema import UserError
from vargpt_schema.world import SPLITS

SETTINGS = ("max_steps=8", "null_dropout=0", "batch_size=16", "max_micro_positions=200")


def on_two_ranks(*command: object, patience_s: float = 300) -> str:
    """Standard error of a command's first rank; the ranks are told of each other as by Slurm."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    ranks = [started(*command, RANK=rank, LOCAL_RANK=rank, **shared) for rank in ("0", "1")]
    said = [process.communicate(timeout=patience_s)[1] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], said
    return said[0]


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "moved"), [("3", "vargpt_gen"), ("2", "language_model")])
def test_sharded_ranks_follow_one_process_resume_and_leave_its_model(world, tmp_path, stage, moved):
    plain = without_dropout(world, tmp_path / "model")
    scenes = SPLITS["train"]
    kinds = [*map(draws, scenes[:4]), *map(asks, scenes[4:8]), *map(talks, range(8))]
    write_rows(tmp_path / "rows", kinds)
    plain = plain._replace(mixed=tmp_path / "rows")
    alone, sharded = tmp_path / "alone", tmp_path / "sharded"
    training = with_settings(brief(stage, peak_lr=0.003, save_every=4), SETTINGS)
    train_stage(stage, plain.model, paths(plain), alone, training)
    command = [*words(plain, stage, sharded, *SETTINGS), "--engine", "fsdp2"]
    assert "2 ranks x 3 micro-batches" in on_two_ranks(*command)
    first = metrics(sharded)
    for ours, theirs in zip(first, metrics(alone), strict=True):
        for name in ("loss", "text_loss", "image_loss", "grad_norm", "loss_by_scale"):
            assert ours[name] == pytest.approx(theirs[name], rel=2e-4), (name, ours["step"])
    start, one, two = (
        open_model(folder, device="cpu").model.state_dict()
        for folder in (plain.model, alone, sharded)
    )
    torch.testing.assert_close(two, one, rtol=1e-3, atol=1e-4)
    assert any(not torch.equal(start[name], two[name]) for name in start if name.startswith(moved))

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
