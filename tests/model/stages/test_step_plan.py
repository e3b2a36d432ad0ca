"""Rows of a step in micro-batches: all of them once, evenly, within the budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vargpt_model.stage_training.step_plan import micro_batches, padding_frac

LENGTHS = st.lists(st.integers(1, 700), min_size=1, max_size=60)


def test_long_and_short_rows_are_apart_when_together_much_would_be_padding():
    lengths = [10, 100, 10, 100, 10, 100, 10, 100]
    assert micro_batches(lengths, world_size=1, max_positions=800) == [[[1, 3, 5, 7], [0, 2, 4, 6]]]
    # Of rows that differ little one batch is made.
    assert micro_batches([9, 10, 9], world_size=1, max_positions=800) == [[[1, 0, 2]]]


def test_ranks_get_micro_batches_of_about_the_same_cost():
    lengths = [4, 4, 4, 4, 2, 2, 2, 2]
    plan = micro_batches(lengths, world_size=2, max_positions=100)
    assert plan == [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]  # 16 and 8 positions; no cut is closer


def test_rows_that_ranks_cannot_share_evenly_are_refused():
    with pytest.raises(ValueError, match="3 rows cannot be shared evenly among 2 ranks"):
        micro_batches([1, 1, 1], world_size=2, max_positions=10)


@given(LENGTHS, st.integers(1, 4), st.integers(1, 2_000))
def test_every_row_is_in_one_micro_batch_of_one_rank(lengths, world_size, max_positions):
    lengths = lengths * world_size
    plan = micro_batches(lengths, world_size=world_size, max_positions=max_positions)
    assert len(plan) == world_size
    assert len({len(rank) for rank in plan}) == 1  # all ranks meet in every collective call
    assert sorted(place for rank in plan for micro in rank for place in micro) == list(
        range(len(lengths))
    )
    for micro in (micro for rank in plan for micro in rank):
        assert micro
        assert len(micro) == 1 or len(micro) * max(lengths[p] for p in micro) <= max_positions


def test_padding_is_the_share_of_positions_that_hold_nothing():
    assert padding_frac([[0, 1], [2]], [10, 5, 3]) == pytest.approx(5 / 23)
