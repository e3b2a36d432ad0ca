"""`vargpt train --engine deepspeed`: two ranks under ZeRO-2 and ZeRO-3."""

import shutil
import sys

import pytest
import torch

from tests.model.stages.conftest import asks, draws, talks, write_rows
from tests.model.stages.test_stage_processes import metrics, without_dropout, words
from tests.model.stages.test_stage_sharding import SETTINGS, on_two_ranks
from tests.model.stages.test_train_stage import brief, paths
from vargpt_model.settings import with_settings
from vargpt_model.stage_training import stage_training, train_stage
from vargpt_model.stage_training.zero import imported_deepspeed
from vargpt_model.weights import open_model
from vargpt_schema import UserError
from vargpt_schema.world import SPLITS

PATIENCE_S = 1_200  # the first use of DeepSpeed on processors compiles for minutes


@pytest.mark.deepspeed
@pytest.mark.parametrize(
    ("stage", "zero_stage", "moved"), [("3", 3, "vargpt_gen"), ("2", 2, "language_model")]
)
def test_zero_ranks_follow_one_process_resume_and_leave_its_model(
    world, tmp_path, stage, zero_stage, moved
):
    plain = without_dropout(world, tmp_path / "model")
    scenes = SPLITS["train"]
    kinds = [*map(draws, scenes[:4]), *map(asks, scenes[4:8]), *map(talks, range(8))]
    write_rows(tmp_path / "rows", kinds)
    plain = plain._replace(mixed=tmp_path / "rows")
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    training = with_settings(brief(stage, peak_lr=0.003, save_every=4), SETTINGS)
    train_stage(stage, plain.model, paths(plain), alone, training)
    settings = (*SETTINGS, f"zero_stage={zero_stage}")
    command = [*words(plain, stage, shared, *settings), "--engine", "deepspeed"]
    assert "2 ranks x 3 micro-batches" in on_two_ranks(*command, patience_s=PATIENCE_S)
    first = metrics(shared)
    for ours, theirs in zip(first, metrics(alone), strict=True):
        for name in ("loss", "text_loss", "image_loss", "grad_norm", "loss_by_scale"):
            assert ours[name] == pytest.approx(theirs[name], rel=2e-4), (name, ours["step"])
    start, one, two = (
        open_model(folder, device="cpu").model.state_dict()
        for folder in (plain.model, alone, shared)
    )
    torch.testing.assert_close(two, one, rtol=1e-3, atol=1e-4)
    assert any(not torch.equal(start[name], two[name]) for name in start if name.startswith(moved))

    shutil.rmtree(shared / "checkpoints" / "step-00000008")
    (shared / "manifest.json").unlink()
    (shared / "model.safetensors").unlink()
    assert "resumed at step 4" in on_two_ranks(*command, patience_s=PATIENCE_S)
    for ours, theirs in zip(metrics(shared), first, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    again = open_model(shared, device="cpu").model.state_dict()
    torch.testing.assert_close(again, two, rtol=1e-5, atol=1e-6)


def test_stages_have_the_zero_of_table_2_and_no_other_is_taken():
    assert [stage_training(stage).zero_stage for stage in ("1", "2", "3")] == [3, 2, 3]
    with pytest.raises(ValueError, match="zero_stage must be 2 or 3, got 1"):
        stage_training("3", zero_stage=1)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    with pytest.raises(UserError, match=r"pip install 'vargpt-model\[deepspeed\]'"):
        imported_deepspeed()
