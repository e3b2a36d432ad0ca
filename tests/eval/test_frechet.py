"""Frechet distance and the statistics below it, singular covariances included."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_eval.generation import frechet
from vargpt_eval.generation.feature_statistics import FeatureStatistics, StatisticsStream
from vargpt_eval.generation.frechet import factor, frechet_distance
from vargpt_schema import UserError


def features(num_images, width, *, seed, scale=1.0, shift=0.0, rank=None):
    rng = np.random.default_rng(seed)
    rank = rank or width
    return (
        rng.standard_normal((num_images, rank)) @ rng.standard_normal((rank, width)) * scale + shift
    )


def statistics_of(values, extractor="x"):
    stream = StatisticsStream(extractor)
    stream.add(values)
    return stream.statistics()


def distance_from_features(x, y):
    """By the singular values of the centred features' product, without any covariance."""
    one, other = x - x.mean(axis=0), y - y.mean(axis=0)
    one, other = one / np.sqrt(len(x) - 1), other / np.sqrt(len(y) - 1)
    root = np.linalg.svd(one @ other.T, compute_uv=False).sum()
    shift = x.mean(axis=0) - y.mean(axis=0)
    return shift @ shift + (one**2).sum() + (other**2).sum() - 2 * root


@pytest.mark.parametrize(
    ("num_x", "num_y", "rank_x", "rank_y"),
    [
        (200, 300, None, None),
        (20, 300, None, None),  # fewer images than features
        (300, 20, None, None),
        (20, 30, None, None),
        (300, 300, 5, None),  # features on a plane
        (300, 300, 5, 9),
        (49, 300, None, None),  # one rank short
    ],
)
@pytest.mark.parametrize("block", [5, 256])
def test_distance_equals_that_from_the_features_themselves(
    num_x, num_y, rank_x, rank_y, block, monkeypatch
):
    monkeypatch.setattr(frechet, "_BLOCK", block)
    x = features(num_x, 48, seed=1, rank=rank_x)
    y = features(num_y, 48, seed=2, scale=1.2, shift=0.3, rank=rank_y)
    found = frechet_distance(statistics_of(x), statistics_of(y))
    assert found == pytest.approx(distance_from_features(x, y), rel=1e-6)


def test_statistics_that_do_not_say_of_how_many_images_give_the_same_distance():
    one, other = (statistics_of(features(count, 48, seed=count)) for count in (20, 30))
    unsaid = [replace(each, num_images=None) for each in (one, other)]
    expected = frechet_distance(one, other)
    assert frechet_distance(*unsaid) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(*unsaid[::-1]) == pytest.approx(expected, rel=1e-9)


def test_distance_keeps_its_digits_where_spectra_fall_by_ten_orders():
    scale = 10.0 ** -np.linspace(0, 5, 64)
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((64, 64)))[0]
    x = np.random.default_rng(1).standard_normal((500, 64)) * scale @ turn
    y = np.random.default_rng(2).standard_normal((500, 64)) * scale[::-1] @ turn
    found = frechet_distance(statistics_of(x), statistics_of(y))
    assert found == pytest.approx(distance_from_features(x, y), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 40),
    st.integers(2, 40),
    st.integers(1, 24),
    st.floats(0.1, 10.0),
    st.integers(0, 2**16),
)
def test_distance_is_symmetric_and_no_less_than_that_of_the_means(num_x, num_y, width, scale, seed):
    x = features(num_x, width, seed=seed)
    y = features(num_y, width, seed=seed + 1, scale=scale, shift=1.0)
    one, other = statistics_of(x), statistics_of(y)
    found = frechet_distance(one, other)
    assert found == pytest.approx(frechet_distance(other, one), rel=1e-6, abs=1e-5)
    shift = one.mean - other.mean
    assert found >= shift @ shift - 1e-5 * (1 + found)
    assert found == pytest.approx(distance_from_features(x, y), rel=1e-6, abs=1e-5)


def test_distance_of_a_set_to_itself_is_nothing_but_rounding():
    one = statistics_of(features(10, 30, seed=1))
    assert 0.0 <= frechet_distance(one, one) < 1e-5


@pytest.mark.parametrize("block", [4, 256])
def test_factor_of_a_singular_covariance_has_its_rank_and_gives_it_back(block, monkeypatch):
    monkeypatch.setattr(frechet, "_BLOCK", block)
    covariance = statistics_of(features(12, 30, seed=3)).covariance
    found = factor(covariance).columns()
    assert found.shape == (30, 11)
    np.testing.assert_allclose(found @ found.T, covariance, atol=1e-12)


def test_factor_of_no_spread_at_all_is_empty():
    assert factor(np.zeros((4, 4))).columns().shape == (4, 0)
    still = FeatureStatistics(
        mean=np.ones(4), covariance=np.zeros((4, 4)), num_images=5, extractor="x"
    )
    moved = FeatureStatistics(mean=np.zeros(4), covariance=np.eye(4), num_images=5, extractor="x")
    assert frechet_distance(still, moved) == 8.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.integers(1, 12))
def test_streamed_statistics_are_numpys_however_the_batches_fall(batches, width):
    values = features(sum(batches) + 1, width, seed=4, shift=100.0)
    stream = StatisticsStream("x")
    start = 0
    for batch in [*batches, 1]:
        stream.add(values[start : start + batch])
        start += batch
    found = stream.statistics()
    np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-12)
    expected = np.cov(values, rowvar=False).reshape(width, width)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-9, atol=1e-9)


def test_streams_of_two_processes_merge_into_one():
    values = features(50, 6, seed=5)
    whole, first, second = (StatisticsStream("x") for _ in range(3))
    whole.add(values)
    first.add(values[:17])
    second.add(values[17:])
    first.merge(second)
    first.merge(StatisticsStream("x"))
    found, expected = first.statistics(), whole.statistics()
    assert found.num_images == 50
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-12)


def test_nan_features_are_refused_and_the_image_is_named():
    stream = StatisticsStream("x")
    stream.add(np.ones((5, 3)))
    bad = np.ones((4, 3))
    bad[2, 1] = np.nan
    with pytest.raises(
        UserError, match=r"NaN or infinity found in the features of 1 image, first of image 7 "
    ):
        stream.add(bad)
    assert stream.num_images == 5


@pytest.mark.parametrize("num_images", [0, 1])
def test_no_distance_without_two_images(num_images):
    stream = StatisticsStream("x")
    stream.add(np.ones((num_images, 3)))
    with pytest.raises(UserError, match="at least two expected"):
        stream.statistics()


def test_statistics_of_another_extractor_or_width_refuse_comparison():
    one = statistics_of(features(9, 4, seed=1))
    with pytest.raises(UserError, match="extractor 'x' and 'dinov2' found"):
        frechet_distance(one, statistics_of(features(9, 4, seed=1), "dinov2"))
    with pytest.raises(UserError, match="of 4 and 5 features found"):
        frechet_distance(one, statistics_of(features(9, 5, seed=1)))
    with pytest.raises(ValueError, match="extractors must agree"):
        StatisticsStream("x").merge(StatisticsStream("dinov2"))


def test_batches_of_another_width_are_refused():
    stream = StatisticsStream("x")
    stream.add(np.ones((2, 3)))
    with pytest.raises(ValueError, match="3 wide; got 4"):
        stream.add(np.ones((2, 4)))
