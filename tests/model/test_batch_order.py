"""Which items a step sees depends on seed and step alone."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vargpt_model.training.batch_order import batch_at, seed_step

sizes = st.integers(1, 40)


@given(num_items=sizes, batch_size=sizes, seed=st.integers(0, 5))
def test_every_epoch_shows_every_item_once(num_items, batch_size, seed):
    num_steps = -(-3 * num_items // batch_size)
    draws = [
        draw
        for step in range(num_steps)
        for draw in batch_at(step, num_items=num_items, batch_size=batch_size, seed=seed)
    ]
    for epoch in range(3):
        assert Counter(draw.item for draw in draws if draw.epoch == epoch) == Counter(
            range(num_items)
        )


@given(num_items=sizes, world_size=st.integers(1, 4), batch_size=sizes, step=sizes)
def test_ranks_share_a_batch_out(num_items, world_size, batch_size, step):
    whole = batch_at(step, num_items=num_items, batch_size=batch_size, seed=0)
    parts = [
        batch_at(
            step,
            num_items=num_items,
            batch_size=batch_size,
            seed=0,
            rank=rank,
            world_size=world_size,
        )
        for rank in range(world_size)
    ]
    assert [parts[place % world_size][place // world_size] for place in range(batch_size)] == whole


def test_epochs_and_seeds_have_orders_of_their_own():
    def items(seed, step):
        draws = batch_at(step, num_items=100, batch_size=100, seed=seed)
        return [draw.item for draw in draws]

    orders = [items(0, 0), items(0, 1), items(1, 0)]
    assert all(sorted(order) == list(range(100)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    assert items(0, 1) == orders[1]


def test_no_items_is_an_error():
    with pytest.raises(ValueError):
        batch_at(0, num_items=0, batch_size=1, seed=0)


def test_a_step_has_its_own_random_stream():
    def drawn(seed, step):
        seed_step(seed, step)
        return torch.rand(3).tolist()

    assert drawn(0, 5) == drawn(0, 5)
    assert drawn(0, 5) != drawn(0, 6)
    assert drawn(0, 5) != drawn(5, 0)
