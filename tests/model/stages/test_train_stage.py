"""`vargpt train 1|2|3` in this process: what moves, what is logged, what stops it."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.model.stages.conftest import asks, draws, write_rows
from vargpt_model.stage_training import DataPaths, Source, stage_training, train_stage
from vargpt_model.stage_training.trainer import StageTrainer
from vargpt_model.weights import open_model
from vargpt_schema import UserError
from vargpt_schema.world import SPLITS, image_path


def brief(stage, **changes):
    given = {"batch_size": 6, "max_steps": 4, "log_every": 1, "view": "whole", "peak_lr": 1e-2}
    return stage_training(stage, **{**given, **changes})


def paths(world, rows=None, codes=True):
    return DataPaths(
        [Source(rows or world.mixed, 1.0)], world.images, world.codes if codes else None
    )


def lines_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return open_model(folder, device="cpu").model.state_dict()


@pytest.mark.parametrize(
    ("stage", "moved"),
    [
        ("1", {"image_gen_projector", "image_gen_projector_out"}),
        ("2", {"language_model", "multi_modal_projector"}),
        (
            "3",
            {
                *("vargpt_gen", "image_gen_projector", "image_gen_projector_out"),
                "guidance_null_states",
            },
        ),
    ],
)
def test_a_stage_moves_its_own_parts_and_no_other(world, tmp_path, stage, moved):
    training = brief(stage, max_steps=8, **({"null_dropout": 0.5} if stage == "3" else {}))
    trained = train_stage(stage, world.model, paths(world), tmp_path / "out", training)
    assert trained == (8, 8, None, 0, tmp_path / "out")
    before, after = tensors_of(world.model), tensors_of(tmp_path / "out")
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert {name.split(".")[0] for name in changed} == moved
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["command"], manifest["config"]["num_steps"]) == (f"vargpt train {stage}", 8)
    assert manifest["data"] == [{"path": "mixed", "rows": 24, "weight": 1.0}]


def test_the_loss_falls_and_the_log_tells_of_scales_and_padding(world, tmp_path):
    training = brief("3", max_steps=30, batch_size=8, peak_lr=3e-3)
    train_stage("3", world.model, paths(world, world.draws), tmp_path, training)
    lines = lines_of(tmp_path)
    assert [line["step"] for line in lines] == list(range(1, 31))
    first, last = lines[0], lines[-1]
    assert last["image_loss"] < 0.9 * first["image_loss"]
    assert len(last["loss_by_scale"]) == len(last["accuracy_by_scale"]) == 3
    assert last["image_loss"] == pytest.approx(
        (last["loss_by_scale"][0] + 4 * last["loss_by_scale"][1] + 9 * last["loss_by_scale"][2])
        / 14
    )
    assert (last["num_images"], last["epoch"]) == (8, 10.0)
    assert 0 <= last["padding_frac"] < 0.3
    assert first["lr"] == 0
    assert max(line["lr"] for line in lines) == pytest.approx(3e-3)


def test_each_scale_counts_alike_when_asked(world, tmp_path):
    training = brief("1", max_steps=1, code_loss="per_scale")
    train_stage("1", world.model, paths(world), tmp_path, training)
    (line,) = lines_of(tmp_path)
    assert line["image_loss"] == pytest.approx(sum(line["loss_by_scale"]) / 3)
    assert line["loss"] == pytest.approx(line["text_loss"] + line["image_loss"])


def gradients(world, out, training, monkeypatch):
    """Of the first step, as the optimizer gets them."""
    found = {}

    def keep(self, model):  # noqa: ARG001
        named = self.accelerator.unwrap_model(self.model).named_parameters()
        found.update({name: p.grad.clone() for name, p in named if p.grad is not None})
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr(StageTrainer, "_clip_grad_norm", keep)
        with pytest.raises(InterruptedError):
            train_stage("3", world.model, paths(world), out, training)
    return found


@pytest.mark.parametrize("code_loss", ["per_code", "per_scale"])
def test_the_cut_into_micro_batches_changes_no_gradient(world, tmp_path, monkeypatch, code_loss):
    # Dropped conditions are drawn batch by batch.
    monkeypatch.setattr("vargpt_model.visual_decoder.VisualDecoder.dropped_conditions", _all_kept)
    fixed = {"null_dropout": 0.0, "batch_size": 12, "code_loss": code_loss}
    whole = gradients(world, tmp_path / "1", brief("3", **fixed), monkeypatch)
    small = brief("3", max_micro_positions=100, **fixed)
    cut = gradients(world, tmp_path / "2", small, monkeypatch)
    assert whole.keys() == cut.keys()
    for name, gradient in whole.items():
        assert (cut[name] - gradient).norm() <= 1e-4 * gradient.norm()


def _all_kept(self, class_ids):  # noqa: ARG001
    return class_ids


def test_without_a_picture_in_the_batch_stage_3_trains_nothing_and_goes_on(world, tmp_path):
    write_rows(tmp_path / "rows", [asks(SPLITS["train"][0])])
    training = brief("3", batch_size=1, max_steps=2)
    train_stage("3", world.model, paths(world, tmp_path / "rows"), tmp_path / "out", training)
    line = lines_of(tmp_path / "out")[-1]
    assert (line["num_images"], line["image_loss"], line["grad_norm"]) == (0, None, 0.0)


def test_learning_rates_differ_by_part(world, tmp_path):
    training = brief("3", lr_factors="vargpt_gen.=0", null_dropout=0.5, max_steps=8)
    train_stage("3", world.model, paths(world), tmp_path / "out", training)
    before, after = tensors_of(world.model), tensors_of(tmp_path / "out")
    changed = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert {name.split(".")[0] for name in changed} == {
        *("image_gen_projector", "image_gen_projector_out", "guidance_null_states"),
    }


def test_stopped_and_resumed_equals_undisturbed(world, tmp_path, monkeypatch):
    training = brief("3", max_steps=7, save_every=3, code_dropout=0.2, null_dropout=0.3)
    train_stage("3", world.model, paths(world), tmp_path / "whole", training)
    step_of = StageTrainer.training_step
    for limit in (2, 4, 6):

        def failing(self, model, inputs, count=None, limit=limit):
            if inputs.step == limit:
                raise InterruptedError
            return step_of(self, model, inputs, count)

        monkeypatch.setattr(StageTrainer, "training_step", failing)
        with pytest.raises(InterruptedError):
            train_stage("3", world.model, paths(world), tmp_path / "parts", training)
    monkeypatch.setattr(StageTrainer, "training_step", step_of)
    train_stage("3", world.model, paths(world), tmp_path / "parts", training)
    for name in ("metrics.jsonl", "model.safetensors"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    # A finished folder stays as it is.
    again = train_stage("3", world.model, paths(world), tmp_path / "parts", training)
    assert again.step == 7


def test_other_configuration_on_a_started_folder_is_refused(world, tmp_path):
    train_stage("1", world.model, paths(world), tmp_path, brief("1", max_steps=1))
    other = brief("1", max_steps=1, peak_lr=1.0)
    with pytest.raises(UserError, match=r"peak_lr: started with 0\.01, now 1\.0"):
        train_stage("1", world.model, paths(world), tmp_path, other)
    with pytest.raises(UserError, match="rows_sha256: started with"):
        train_stage("1", world.model, paths(world, world.draws), tmp_path, brief("1", max_steps=1))


def test_a_loss_that_is_no_number_names_step_and_rows_and_harms_nothing(
    world, tmp_path, monkeypatch
):
    step_of = StageTrainer.training_step

    def poisoned(self, model, inputs, count=None):
        if inputs.step == 2:
            with torch.no_grad():
                self.model.image_gen_projector.mlp[0].bias.fill_(torch.nan)
        return step_of(self, model, inputs, count)

    monkeypatch.setattr(StageTrainer, "training_step", poisoned)
    with pytest.raises(UserError) as stopped:
        train_stage("1", world.model, paths(world), tmp_path, brief("1", save_every=1))
    assert str(stopped.value).startswith("step 3: loss nan found, a number was expected; rows ")
    kept = torch.load(
        tmp_path / "checkpoints" / "step-00000002" / "training_state.pt", weights_only=True
    )
    assert all(torch.isfinite(tensor).all() for tensor in kept["parameters"].values())


def test_missing_images_are_skipped_and_counted_up_to_a_limit(world, tmp_path, capsys):
    root = tmp_path / "images"
    shutil.copytree(world.images, root)
    gone = SPLITS["train"][1]
    (root / image_path(gone)).unlink()
    data = DataPaths([Source(world.mixed, 1.0)], root, None)
    training = brief("2", max_steps=4, max_skipped_frac=0.2)
    trained = train_stage("2", world.model, data, tmp_path / "out", training)
    assert trained.num_unreadable == 1
    listed = (tmp_path / "out" / "skipped" / "rank-00000.jsonl").read_text().splitlines()
    assert [json.loads(line)["sample_id"] for line in listed] == [asks(gone).sample_id]
    assert capsys.readouterr().err.count(f"skipped row {asks(gone).sample_id}") == 1
    assert sum(line["num_rows_unreadable"] for line in lines_of(tmp_path / "out")) == 1
    shutil.rmtree(root / "world")
    with pytest.raises(
        UserError,
        match=r"step 1: \d of 6 rows cannot be read, at most 1\.2 were .* The first: row ",
    ):
        train_stage("2", world.model, data, tmp_path / "other", training)


def test_passes_in_bfloat16_train_float32_parameters(world, tmp_path):
    training = brief("3", precision="bfloat16", gradient_checkpointing="on")
    train_stage("3", world.model, paths(world), tmp_path, training)
    losses = [line["loss"] for line in lines_of(tmp_path)]
    assert all(loss == loss for loss in losses)
    assert open_model(tmp_path, device="cpu").model.dtype == torch.float32


def test_a_row_of_a_folder_may_weigh_more(world, tmp_path):
    write_rows(tmp_path / "rows", [draws(SPLITS["train"][0])])
    data = DataPaths(
        [Source(world.mixed, 0.5), Source(tmp_path / "rows", 12.0)], world.images, world.codes
    )
    training = brief("1", max_steps=0, epochs=1.0)
    trained = train_stage("1", world.model, data, tmp_path / "out", training)
    assert trained.num_steps == 4  # (12 + 12) / 6
    assert sum(line["num_images"] for line in lines_of(tmp_path / "out")) == 12 + 4
