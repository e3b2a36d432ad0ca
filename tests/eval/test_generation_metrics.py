"""Kernel distance, precision and recall, inception and CLIP scores: what they refuse and show."""

import numpy as np
import pytest

from vargpt_eval.generation import manifold
from vargpt_eval.generation.clip_score import clip_scores
from vargpt_eval.generation.inception_score import inception_score
from vargpt_eval.generation.kernel_distance import kernel_distance, squared_mmd
from vargpt_eval.generation.manifold import precision_recall
from vargpt_schema import UserError

CLOUD = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)


def with_nan(values):
    values = values.copy()
    values[1, 1] = np.nan
    return values


def test_kernel_distance_by_hand():
    # D = 1, kernel (xy + 1)^3: k(0, 1) = 1, k(2, 3) = 343, k(0, .) = 1, k(1, 2) = 27, k(1, 3) = 64
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    assert squared_mmd(x, y) == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_kernel_distance_of_another_cloud_is_larger():
    near = kernel_distance(CLOUD[:30], CLOUD[30:], num_subsets=20, subset_size=20)
    far = kernel_distance(CLOUD[:30], CLOUD[30:] + 2, num_subsets=20, subset_size=20)
    assert abs(near.mean) < 0.5 < far.mean


def test_precision_and_recall_tell_missing_modes_from_strange_images():
    few_modes = CLOUD[:30] * 0.1
    found = precision_recall(few_modes, CLOUD)
    assert found.precision == 1.0
    assert found.recall < 0.2


def test_precision_and_recall_do_not_hang_on_how_many_distances_fit(monkeypatch):
    whole = precision_recall(CLOUD[:25], CLOUD[20:])
    monkeypatch.setattr(manifold, "_DISTANCES_AT_A_TIME", 90)
    monkeypatch.setattr(manifold, "_FEATURES_AT_A_TIME", 7)
    assert precision_recall(CLOUD[:25], CLOUD[20:]) == whole


def test_inception_score_of_sure_and_even_classes_is_their_number():
    logits = np.tile(np.eye(4) * 50, (10, 1))
    assert inception_score(logits).mean == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("metric", "fault"),
    [
        (lambda: kernel_distance(CLOUD, CLOUD), "60 images found, at least 1,000 expected"),
        (lambda: precision_recall(CLOUD[:3], CLOUD), "3 drawn images found, more than 3 expected"),
        (lambda: inception_score(CLOUD[:9]), "9 images found, at least 10 expected"),
        (lambda: clip_scores(np.zeros(0)), "at least one expected"),
        (lambda: clip_scores(np.array([0.2, np.nan])), "1 of 2 cosines are NaN"),
        (
            lambda: inception_score(with_nan(CLOUD)),
            "NaN or infinity found in the features of 1 image, first of image 1 ",
        ),
        (lambda: precision_recall(CLOUD, with_nan(CLOUD)), "NaN or infinity"),
        (
            lambda: kernel_distance(with_nan(CLOUD), CLOUD, subset_size=10),
            "NaN or infinity",
        ),
    ],
)
def test_too_little_or_unusable_input_is_an_error_and_no_number(metric, fault):
    with pytest.raises(UserError, match=fault):
        metric()
