"""Schedules against rows that VAR's own `lr_wd_annealing` gave."""

import pytest

from vargpt_model.training.schedules import LearningRate, WeightDecay

STEPS = (0, 10, 20, 60, 500, 999)
# Peak 3e-4, 20 steps of warm-up from 0.005 of it, 1,000 steps, down to 0.1 of it.
ROWS = {
    "lin0": (1.5e-6, 1.5075e-4, 3e-4, 3e-4, 1.7486317939895704e-4, 3e-5),
    "lin": (1.5e-6, 1.5075e-4, 3e-4, 3e-4, 1.9190590638706962e-4, 3e-5),
    "lin00": (1.5e-6, 1.5075e-4, 3e-4, 2.8896833503575073e-4, 1.676200204290092e-4, 3e-5),
    "cos": (1.5e-6, 1.5075e-4, 3e-4, 2.988893895755736e-4, 1.6911488104279101e-4, 3e-5),
}
SHAPES = {
    "lin0": {"hold_frac": 0.05},
    "lin": {"hold_frac": 0.15},
    "lin00": {"hold_frac": 0.0},
    "cos": {"shape": "cosine"},
}
DECAYS = (
    0.05,
    0.05000741641871568,
    0.05002965834109384,
    0.05026622183987378,
    0.06502358552071377,
    0.08,
)


@pytest.mark.parametrize("name", ROWS)
def test_learning_rate_equals_the_reference(name):
    schedule = LearningRate(
        peak=3e-4, num_steps=1000, num_warmup_steps=20, end_frac=0.1, **SHAPES[name]
    )
    assert [schedule.at(step) for step in STEPS] == pytest.approx(ROWS[name], rel=1e-12)


def test_lin0_is_the_default():
    schedule = LearningRate(peak=3e-4, num_steps=1000, num_warmup_steps=20, end_frac=0.1)
    assert schedule.at(500) == pytest.approx(ROWS["lin0"][4], rel=1e-12)


def test_weight_decay_equals_the_reference():
    decay = WeightDecay(start=0.05, end=0.08, num_steps=1000)
    assert [decay.at(step) for step in STEPS] == pytest.approx(DECAYS, rel=1e-12)


def test_one_step_without_warm_up_has_the_peak():
    assert LearningRate(peak=1.0, num_steps=1, num_warmup_steps=0).at(0) == 1.0
