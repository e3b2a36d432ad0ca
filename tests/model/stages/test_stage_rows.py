"""Rows: their order over epochs, their weights, their lengths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.stages.conftest import asks, draws, record, write_rows
from vargpt_model.row_source import Source, source_of
from vargpt_model.stage_training.row_lengths import row_lengths
from vargpt_model.stage_training.rows import RowOrder, Rows
from vargpt_schema import UserError


def epoch(order: RowOrder, number: int) -> list[int]:
    places = range(number * order.rows_per_epoch, (number + 1) * order.rows_per_epoch)
    drawn = [order.at(place) for place in places]
    assert {at for _, at in drawn} == {number}
    return [row for row, _ in drawn]


def order_of(sizes, weights, usable=None, seed=0) -> RowOrder:
    usable = np.arange(sum(sizes)) if usable is None else np.array(usable)
    return RowOrder(usable, sizes, weights, seed=seed)


def test_an_epoch_has_every_usable_row_as_often_as_its_source_weighs():
    order = order_of([4, 2, 3], [1, 3, 1], usable=[0, 1, 3, 4, 5, 6, 8])
    assert order.rows_per_epoch == 3 + 6 + 2
    assert sorted(epoch(order, 0)) == [0, 1, 3, 4, 4, 4, 5, 5, 5, 6, 8]
    assert epoch(order, 0) != epoch(order, 1)


def test_of_a_fraction_every_epoch_takes_another_part():
    order = order_of([100], [0.25])
    parts = [set(epoch(order, number)) for number in range(3)]
    assert [len(part) for part in parts] == [25, 25, 25]
    assert parts[0] != parts[1] != parts[2]
    assert epoch(order_of([100], [2.25]), 0).count(7) in (2, 3)


@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0.1, 3)), min_size=1, max_size=4),
    st.integers(0, 2**31),
)
def test_the_order_is_a_pure_function_of_seed_and_place(sources, seed):
    sizes, weights = zip(*sources, strict=True)
    first, second = (order_of(sizes, weights, seed=seed) for _ in range(2))
    if first.rows_per_epoch:
        assert epoch(first, 1) == epoch(second, 1)
        assert first.at(0) == second.at(0)  # also after another epoch


def test_a_source_is_a_folder_and_perhaps_a_weight(tmp_path):
    assert source_of("rows") == Source(type(tmp_path)("rows"), 1.0)
    assert source_of("a:b/rows:0.5") == Source(type(tmp_path)("a:b/rows"), 0.5)
    (tmp_path / "odd:2").mkdir()
    assert source_of(f"{tmp_path}/odd:2").weight == 1.0  # it exists under that name
    with pytest.raises(UserError, match="weight 0 found, one above 0 was expected"):
        source_of("rows:0")


def test_text_beyond_the_limit_is_cut_and_an_image_beyond_it_leaves_the_row_out(
    tmp_path, stage_processor
):
    long_answer = record("text", "Hi?", "very " * 60, [])
    long_question = record("text", "Why? " * 60, "So.", [])  # nothing to learn is left
    write_rows(tmp_path / "rows", [draws(0), asks(0), long_answer, long_question])
    rows = Rows([Source(tmp_path / "rows", 1.0)])
    whole = [len(stage_processor.positions(rows.at(row).messages).input_ids) for row in range(4)]
    limit = max(whole[1], 60)
    assert whole[0] > limit  # the picture ends a row that draws
    found = row_lengths(rows, stage_processor, limit, tmp_path)
    assert found.lengths.tolist() == [0, whole[1], limit, 0]
    assert (found.num_cut, found.num_left_out, found.usable.tolist()) == (1, 2, [1, 2])
    unlimited = row_lengths(rows, stage_processor, 2_048, tmp_path)
    assert unlimited.lengths[:2].tolist() == whole[:2]
    # 256 positions are the context of this model.
    assert unlimited.lengths.max() <= 256


def test_ranks_count_their_shares_and_have_all_together(tmp_path, stage_processor):
    write_rows(tmp_path / "rows", [draws(index) for index in range(5)])
    rows = Rows([Source(tmp_path / "rows", 1.0)])
    parts = []
    for rank in range(2):

        def keep(part):
            parts.append(part)
            return [part]

        row_lengths(
            *(rows, stage_processor, 2_048, tmp_path / str(rank)),
            rank=rank,
            world_size=2,
            gather=keep,
        )
    alone = row_lengths(rows, stage_processor, 2_048, tmp_path)
    assert [len(part) for part in parts] == [2, 3]
    assert np.concatenate(parts)[:, 0].tolist() == alone.lengths.tolist()
    assert not (tmp_path / "1").exists()  # rank 0 writes for all
