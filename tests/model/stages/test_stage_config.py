"""Defaults of the stages are Table 2's; other values are refused in the open."""

import json
from pathlib import Path

import pytest

from vargpt_model.settings import with_settings
from vargpt_model.stage_training import stage_training
from vargpt_model.stage_training.config import checked
from vargpt_schema import UserError

TABLES = Path(__file__).parents[2] / "golden" / "paper_tables.json"


@pytest.mark.parametrize(
    ("stage", "batch_size", "peak_lr", "epochs"),
    [("1", 1024, 1e-3, 1.0), ("2", 256, 5e-5, 1.0), ("3", 1024, 5e-5, 12.0)],
)
def test_defaults_are_table_2(stage, batch_size, peak_lr, epochs):
    training = stage_training(stage)
    assert (training.batch_size, training.peak_lr, training.epochs) == (batch_size, peak_lr, epochs)
    assert (training.warmup_frac, training.weight_decay) == (0.1, 0.0)
    rows = json.loads(TABLES.read_text("utf-8"))["table2"]["rows"]
    column = int(stage) - 1
    assert rows["batch size"][column] == training.batch_size
    assert rows["lr"][column] == training.peak_lr
    assert rows["epoch"][column] == training.epochs
    assert rows["lr warmup ratio"][column] == training.warmup_frac


def test_image_loss_counts_in_stages_1_and_3_and_the_null_is_learned_in_stage_3():
    weights = [stage_training(stage).image_loss_weight for stage in ("1", "2", "3")]
    nulls = [stage_training(stage).null_dropout for stage in ("1", "2", "3")]
    assert weights == [1.0, 0.0, 1.0]
    assert nulls == [0.0, 0.0, 0.1]


@pytest.mark.parametrize(
    ("stage", "changes", "fault"),
    [
        ("1", {"variant": "frozen_llm"}, "variant of stage 1 must be one of paper, official"),
        ("3", {"variant": "none"}, "variant of stage 3 must be one of paper, official, frozen_"),
        ("3", {"image_loss_weight": 0.0}, "image_loss_weight of stage 3 must not be 0"),
        ("1", {"code_loss": "all"}, "code_loss must be one of per_code, per_scale, got all"),
        ("1", {"code_dropout": 0.6}, r"code_dropout must be in \[0, 0.5\]"),
        ("2", {"batch_size": 0}, "batch_size must be at least 1"),
        ("2", {"epochs": 0.0}, "epochs must be above 0, or max_steps at least 1"),
        ("2", {"lr_factors": "lm_head"}, "lr_factors must be PREFIX=FACTOR"),
    ],
)
def test_values_that_cannot_be_are_refused(stage, changes, fault):
    with pytest.raises(ValueError, match=fault):
        stage_training(stage, **changes)


def test_a_field_of_a_stage_is_set_by_its_name():
    training = with_settings(stage_training("3"), ["epochs=3", "variant=frozen_decoder"])
    assert (training.epochs, training.variant) == (3.0, "frozen_decoder")
    assert checked("3", training) is training
    with pytest.raises(UserError, match="--set view=left: view must be one of centre, whole, rand"):
        with_settings(training, ["view=left"])


def test_the_longest_prefix_gives_a_parameters_learning_rate():
    training = stage_training("3", lr_factors="vargpt_gen.=0.5,vargpt_gen.head.=2")
    names = ["vargpt_gen.pos_start", "vargpt_gen.head.weight", "image_gen_projector.proj.0.weight"]
    assert [training.lr_factor_of(name) for name in names] == [0.5, 2.0, 1.0]
