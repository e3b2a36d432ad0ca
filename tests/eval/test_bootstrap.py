"""Intervals: what is drawn together, within what, and how wide that makes them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_eval.metrics.bootstrap import ClusterSums, bootstrap_draws, interval_of


def clusters_of(scores, cluster, strata=None):
    names = sorted(set(cluster))
    numbers = np.array([names.index(name) for name in cluster])
    sums = {
        "sum": np.bincount(numbers, np.array(scores, float)).astype(float),
        "n": np.bincount(numbers).astype(float),
    }
    stratum = np.zeros(len(names), np.intp) if strata is None else np.array(strata, np.intp)
    return ClusterSums(names, sums, stratum)


def accuracy(totals):
    return {"accuracy": totals["sum"] / totals["n"]}


def half_width(clusters):
    draws = bootstrap_draws(clusters, accuracy)["accuracy"]
    interval = interval_of(draws, len(clusters.cluster_ids))
    assert interval.ci95 is not None
    return (interval.ci95[1] - interval.ci95[0]) / 2


def test_mmmu_sized_run_is_known_to_three_points():
    rng = np.random.default_rng(0)
    clusters = clusters_of(rng.permutation([1] * 328 + [0] * 572), range(900))
    assert half_width(clusters) == pytest.approx(0.031, abs=0.002)


def test_pope_sized_run_is_known_to_one_point_and_a_fifth():
    clusters = clusters_of([1] * 2610 + [0] * 390, range(3000))
    assert half_width(clusters) == pytest.approx(0.012, abs=0.001)


def test_answers_that_agree_within_an_image_widen_the_interval_by_the_root_of_their_number():
    scores = [1, 0] * 200
    alone = half_width(clusters_of(np.repeat(scores, 4), range(1600)))
    by_image = half_width(clusters_of(np.repeat(scores, 4), np.repeat(range(400), 4)))
    assert by_image / alone == pytest.approx(2.0, rel=0.08)


def test_drawing_within_strata_removes_the_spread_between_them():
    clusters = clusters_of([1] * 50 + [0] * 50, range(100), strata=[0] * 50 + [1] * 50)
    assert half_width(clusters) == 0.0


def test_the_same_seed_gives_the_same_draws_and_another_others():
    clusters = clusters_of([1, 0, 1, 1, 0], range(5))
    first = bootstrap_draws(clusters, accuracy, num_draws=50)["accuracy"]
    assert (first == bootstrap_draws(clusters, accuracy, num_draws=50)["accuracy"]).all()
    assert (first != bootstrap_draws(clusters, accuracy, num_draws=50, seed=1)["accuracy"]).any()


def test_one_cluster_has_no_interval():
    draws = bootstrap_draws(clusters_of([1, 0], ["a", "a"]), accuracy)["accuracy"]
    assert interval_of(draws, 1) == (None, None)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9)), min_size=2, max_size=60))
def test_intervals_lie_within_the_range_of_the_scores(answers):
    scores, cluster = zip(*answers, strict=True)
    clusters = clusters_of(scores, cluster)
    draws = bootstrap_draws(clusters, accuracy, num_draws=200)["accuracy"]
    assert draws.min() >= 0
    assert draws.max() <= 1
