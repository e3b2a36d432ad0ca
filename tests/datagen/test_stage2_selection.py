"""Which rows are drawn: by weight, whatever the order, and bad ones replaced by the next."""

import numpy as np

from vargpt_datagen.stage2.selection import RowHash, draw_order, select


def hashes(count: int, seed: int = 0) -> np.ndarray:
    row_hash = RowHash(seed)
    return np.array([row_hash([f"row {number}"]) for number in range(count)], np.uint64)


def all_good(numbers: np.ndarray) -> np.ndarray:
    return np.ones(len(numbers), bool)


def test_a_rows_hash_depends_on_the_seed_and_its_texts_alone():
    assert RowHash(0)(["a", "b"]) == RowHash(0)(["a", "b"])
    assert len({RowHash(0)(["a", "b"]), RowHash(1)(["a", "b"]), RowHash(0)(["ab"])}) == 3
    assert RowHash(-1)(["half a pair \ud83d"])


def test_the_same_rows_are_drawn_from_any_order_of_them():
    found = hashes(1_000)
    shuffled = np.random.default_rng(0).permutation(1_000)
    ones = np.ones(1_000)
    first = select(draw_order(found, ones), 100, all_good).accepted
    second = select(draw_order(found[shuffled], ones), 100, all_good).accepted
    assert sorted(shuffled[second]) == first.tolist()


def test_rows_are_drawn_in_proportion_to_their_fraction():
    fractions = np.repeat([1.0, 0.5, 0.1], 20_000)
    order = draw_order(hashes(60_000), fractions)
    inside = np.bincount(order // 20_000, minlength=3)
    assert abs(inside[1] - 10_000) < 400  # four standard deviations
    assert abs(inside[2] - 2_000) < 200
    drawn = np.bincount(order[:8_000] // 20_000, minlength=3)
    assert abs(drawn[0] - 5_000) < 250
    assert abs(drawn[1] - 2_500) < 200
    assert abs(drawn[2] - 500) < 100


def test_more_rows_hold_the_fewer_ones():
    order = draw_order(hashes(500), np.full(500, 0.9))
    few, many = (select(order, wanted, all_good).accepted for wanted in (50, 200))
    assert set(few.tolist()) < set(many.tolist())
    assert (len(few), len(many)) == (50, 200)


def test_bad_rows_are_replaced_by_the_next_in_line_and_judged_once():
    order = draw_order(hashes(100), np.ones(100))
    judged: list[int] = []

    def even_ones(numbers: np.ndarray) -> np.ndarray:
        assert (np.diff(numbers) > 0).all()
        judged.extend(numbers.tolist())
        return numbers % 2 == 0

    found = select(order, 20, even_ones)
    expected = [number for number in order.tolist() if number % 2 == 0][:20]
    assert found.accepted.tolist() == sorted(expected)
    assert len(judged) == len(set(judged)) == 20 + len(found.rejected)
    assert (found.rejected % 2 == 1).all()


def test_an_order_that_ends_gives_what_it_has():
    found = select(draw_order(hashes(10), np.ones(10)), 20, lambda numbers: numbers != 3)
    assert found.accepted.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert found.rejected.tolist() == [3]
