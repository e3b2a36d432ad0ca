"""The plan is a pure function of seed, position and inputs, and stable when rows are raised."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_datagen.plan import NUM_SHOTS, Plan, PlanConfig, PlannedShot, reserve_size


def plan(num_captions: int = 500, seed: int = 0, **changes) -> Plan:
    return Plan(
        PlanConfig(
            seed=seed,
            fingerprint=changes.pop("fingerprint", "captions"),
            num_captions=num_captions,
            pool_sizes=(7, 11, 13),
            num_pairs=17,
            **changes,
        )
    )


def test_a_row_is_written_out_literally():
    row = plan().row(3)
    assert row == plan().row(3)
    assert (row.position, row.source_index, row.seed_indices) == (3, 200, (4, 6, 1))
    assert row.shots[0] == PlannedShot(source_index=446, pair_index=16)


def test_every_caption_has_one_place_in_the_order():
    made = plan()
    assert sorted(made.row(position).source_index for position in range(500)) == list(range(500))


def test_seed_and_inputs_change_the_plan():
    rows = [plan().row(0), plan(seed=1).row(0), plan(fingerprint="other").row(0)]
    assert len({row.shots for row in rows}) == 3


def test_the_reserve_is_a_tenth_and_lies_at_the_end():
    made = plan()
    assert (made.num_base, made.num_spares) == (442, 58)
    assert [made.spare_position(number) for number in (0, 1, 57)] == [499, 498, 442]
    with pytest.raises(IndexError):
        made.spare_position(58)
    assert [reserve_size(size) for size in (0, 5, 100, 1_281_167)] == [0, 5, 18, 128_124]


@given(
    num_captions=st.integers(30, 400),
    seed=st.integers(0, 2**31),
    position=st.integers(0, 399),
    shot_sets=st.none() | st.integers(2, 3),
)
@settings(derandomize=True, deadline=None)
def test_shots_are_distinct_base_captions_and_never_the_rows_own(
    num_captions, seed, position, shot_sets
):
    made = plan(num_captions, seed, shot_sets=shot_sets)
    row = made.row(position % num_captions)
    base = {made.row(at).source_index for at in range(made.num_base)}
    captions = [shot.source_index for shot in row.shots]
    assert len(set(captions)) == NUM_SHOTS
    assert set(captions) <= base
    assert row.source_index not in captions
    assert len({shot.pair_index for shot in row.shots}) == NUM_SHOTS


def test_fixed_sets_share_no_caption_and_serve_about_as_many_rows_each():
    made = plan(10_000, shot_sets=8)
    sets = [made.shot_set(number) for number in range(8)]
    assert len({shot.source_index for shots in sets for shot in shots}) == 8 * NUM_SHOTS
    served = Counter(made.row(position).shots for position in range(8_000))
    assert set(served) == set(sets)
    assert min(served.values()) > 850
    assert max(served.values()) < 1150


def test_a_random_shots_caption_always_has_the_same_pair():
    made = plan(5_000)
    shots = {shot for position in range(3_000) for shot in made.row(position).shots}
    assert len(shots) == len({shot.source_index for shot in shots})
    assert len(shots) == 31 * 17


def test_seeds_and_pairs_are_drawn_evenly():
    made = plan(20_000)
    rows = [made.row(position) for position in range(13_000)]
    assert all(900 < count < 1100 for count in Counter(r.seed_indices[2] for r in rows).values())
    pairs = Counter(shot.pair_index for row in rows for shot in row.shots)
    assert len(pairs) == 17
    assert all(2800 < count < 3320 for count in pairs.values())
