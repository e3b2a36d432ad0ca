"""What a stage shows: pictures of fixed prompts, and how much of a GPU it uses."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.model.stages.conftest import asks, draws
from tests.model.stages.test_train_stage import brief, lines_of, paths
from tests.model.vargpt.conftest import small_config, small_model
from vargpt_model.stage_training import Source, train_stage
from vargpt_model.stage_training.fixed_prompts import drawing_prompts
from vargpt_model.stage_training.model_flops import StepFlops, pass_flops, stage_factors
from vargpt_model.stage_training.rows import Rows
from vargpt_model.training.curves.drawn import read_pictures
from vargpt_model.vargpt.presets import preset_7b
from vargpt_schema.world import SPLITS, caption_at, image_path


def test_forward_flops_of_a_part_are_what_torch_counts():
    """One row to understand, one to draw; eager attention, so that all products are seen."""
    model = small_model()
    model.config._attn_implementation = "eager"
    config, one = model.config, pass_flops(model.config)
    rows = config.num_image_codes
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.image_features(torch.zeros(1, 3, 12, 12))
    expected = one.understood_image + one.understood_projection
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.05)

    decoder = model.vargpt_gen
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        condition = decoder.conditions(torch.tensor([0]))
        inputs = decoder.teacher_forcing_inputs(condition, torch.zeros(1, rows - 1, 4))
        states = model.to_decoder(model.to_llm(inputs), 0)
        decoder.decode(states, decoder.modulations(condition))
    expected = one.drawn_image + one.drawn_projection
    assert counter.get_total_flops() == pytest.approx(expected, rel=0.05)

    length = 20
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.language_model(inputs_embeds=torch.zeros(1, length, 32))
    # torch counts the products that the causal mask throws away; we count what is used.
    whole = length * (one.llm_position + length * one.llm_attention + one.label)
    assert counter.get_total_flops() == pytest.approx(whole, rel=0.05)


def test_the_published_sizes_need_this_much():
    one = pass_flops(preset_7b())
    # 32 layers of 4 * 4096^2 + 3 * 4096 * 11008 weights.
    assert one.llm_position == 2 * 32 * (4 * 4096**2 + 3 * 4096 * 11008) == 12_952_010_752
    assert one.llm_attention == 4 * 32 * 4096
    assert one.label == 2 * 32064 * 4096
    # CLIP-L/14 at 336 px: 577 positions, 24 layers of 12 * 1024^2 weights, the patches' 588 * 1024.
    assert one.understood_image == pytest.approx(
        577 * (2 * 24 * 12 * 1024**2 + 4 * 24 * 1024 * 577) + 576 * 2 * 588 * 1024
    )
    # VAR-d30 on 680 codes: 30 blocks of 12 * 1920^2 weights; a code sees no finer scale.
    pairs = sum(
        s**2 * sum(t**2 for t in (1, 2, 3, 4, 5, 6, 8, 10, 13, 16) if t <= s)
        for s in (1, 2, 3, 4, 5, 6, 8, 10, 13, 16)
    )
    blocks = 2 * 680 * 30 * 12 * 1920**2
    assert one.drawn_image == pytest.approx(
        blocks
        + 2 * 680 * (1920 * 4096 + 32 * 1920)
        + 2 * (30 * 6 + 2) * 1920**2
        + 4 * 30 * 1920 * pairs
    )


@pytest.mark.parametrize(
    ("stage", "weight", "factors"),
    [
        ("1", 1.0, (2, 1, 1, 2, 3)),
        ("2", 0.0, (3, 1, 3, 1, 1)),
        ("2", 1.0, (3, 1, 3, 2, 2)),
        ("3", 1.0, (2, 1, 1, 3, 3)),
    ],
)
def test_what_learns_costs_three_passes_and_what_gradients_cross_two(stage, weight, factors):
    assert stage_factors(stage, image_loss_weight=weight) == factors


def test_a_steps_flops_follow_from_its_line():
    config = small_config()
    one = pass_flops(config)
    flops = StepFlops(config, stage_factors("3", image_loss_weight=1.0), num_rows=4)
    line = {"num_positions": 80, "num_labels": 10, "num_images": 3, "num_understood": 2}
    # Rows of 20 positions; a position sees 10 of them in the mean.
    assert flops.of(line) == pytest.approx(
        2 * (80 * (one.llm_position + 10 * one.llm_attention) + 10 * one.label)
        + 2 * (one.understood_image + one.understood_projection)
        + 3 * 3 * (one.drawn_image + one.drawn_projection)
    )


def test_fixed_prompts_are_drawn_at_their_steps_and_change_nothing(world, tmp_path):
    plain = train_stage("3", world.model, paths(world), tmp_path / "plain", brief("3"))
    drawn = tmp_path / "drawn"
    assert train_stage(
        "3", world.model, paths(world), drawn, brief("3", sample_every=2)
    ) == plain._replace(folder=drawn)
    assert lines_of(drawn) == lines_of(tmp_path / "plain")
    found = read_pictures(drawn)
    assert found.steps == [2, 4]
    scenes = [index for place, index in enumerate(SPLITS["train"][:24]) if place % 3 == 0]
    assert [row.prompt for row in found.rows] == [
        f"Please draw {caption_at(index)}." for index in scenes[:6]
    ]
    assert all(picture for row in found.rows for picture in row.pictures)
    page = (drawn / "curves.html").read_text()
    for title in ("Loss by scale", "Right by scale", "Tokens a second", "step 4 of 4"):
        assert title in page


def test_prompts_that_show_a_picture_are_not_drawn(world):
    rows = Rows([Source(world.mixed, 1.0)])
    prompts = drawing_prompts(rows, 100)
    assert len(prompts) == 8
    assert not any("<image>" in prompt for prompt in prompts)
    assert draws(0).messages[0].content in prompts
    assert asks(1).messages[0].content not in prompts
    assert image_path(0) not in prompts


def test_pictures_come_at_logged_steps():
    with pytest.raises(ValueError, match="sample_every must be a multiple of log_every"):
        brief("3", sample_every=3, log_every=2)
