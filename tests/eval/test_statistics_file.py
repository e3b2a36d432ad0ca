"""Files of feature statistics: the evaluator's layout, and what is refused."""

import hashlib

import numpy as np
import pytest

from tests.eval.command import refusal, vargpt_eval
from vargpt_eval.generation.feature_statistics import FeatureStatistics
from vargpt_eval.generation.statistics_file import (
    read_statistics,
    statistics_of_files,
    write_statistics,
)
from vargpt_schema import UserError

GIVEN = FeatureStatistics(
    mean=np.array([1.0, 2.0]),
    covariance=np.array([[2.0, 0.5], [0.5, 1.0]]),
    num_images=7,
    extractor="random",
)


def archive(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_statistics_are_read_back_as_written(tmp_path):
    path = write_statistics(tmp_path / "new" / "stats.npz", GIVEN)
    found = read_statistics(path)
    np.testing.assert_array_equal(found.statistics.mean, GIVEN.mean)
    np.testing.assert_array_equal(found.statistics.covariance, GIVEN.covariance)
    assert (found.statistics.num_images, found.statistics.extractor) == (7, "random")
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [one.name for one in path.parent.iterdir()] == ["stats.npz"]


def test_the_evaluators_file_needs_its_extractor_named(tmp_path):
    path = archive(
        tmp_path / "VIRTUAL_imagenet256_labeled.npz",
        arr_0=np.zeros((2, 4, 4, 3), np.uint8),
        mu=GIVEN.mean.astype(np.float32),
        sigma=GIVEN.covariance,
        mu_s=np.zeros(3),
        sigma_s=np.eye(3),
    )
    with pytest.raises(UserError, match="no name of an extractor found"):
        read_statistics(path)
    found = read_statistics(path, "inception-2015-12-05").statistics
    assert (found.extractor, found.num_images) == ("inception-2015-12-05", None)
    assert found.mean.dtype == np.float64


def test_a_file_of_another_extractor_is_refused(tmp_path):
    path = write_statistics(tmp_path / "s.npz", GIVEN)
    with pytest.raises(UserError, match="of extractor 'random' found, 'inception' expected"):
        read_statistics(path, "inception")


@pytest.mark.parametrize(
    ("arrays", "fault"),
    [
        ({"mu": np.zeros(2)}, "no sigma found"),
        ({"mu": np.zeros(2), "sigma": np.eye(3)}, r"mu of shape \(2,\) and sigma of \(3, 3\)"),
        ({"mu": np.array([0, np.nan]), "sigma": np.eye(2)}, "NaN or infinity found"),
        ({"mu": np.zeros(2), "sigma": np.array([[1, 2], [0, 1]])}, "not symmetric"),
        ({"mu": np.array([{}, {}]), "sigma": np.eye(2)}, "not readable"),  # would be pickled
    ],
)
def test_other_archives_are_refused(tmp_path, arrays, fault):
    path = archive(tmp_path / "s.npz", **arrays)
    with pytest.raises(UserError, match=fault):
        read_statistics(path, "x")


def test_files_that_are_no_archive_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "cut.npz").write_bytes(
        archive(tmp_path / "s.npz", mu=np.zeros(9), sigma=np.eye(9)).read_bytes()[:200]
    )
    for name in ("text.npz", "one.npy", "cut.npz", "absent.npz"):
        with pytest.raises(UserError, match=f"{name}: "):
            read_statistics(tmp_path / name, "x")


def test_stored_features_become_statistics_that_can_be_shown(tmp_path):
    values = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    np.save(tmp_path / "a.npy", values[:5])
    np.save(tmp_path / "b.npy", values[5:])
    out = tmp_path / "ref.npz"
    files = [tmp_path / "a.npy", tmp_path / "b.npy"]
    ran = vargpt_eval("stats", "make", *files, "--extractor", "random 1", "--out", out)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == f"9 images, 4 features each -> {out}"
    found = read_statistics(out).statistics
    np.testing.assert_allclose(found.covariance, np.cov(values, rowvar=False), rtol=1e-6)
    shown = vargpt_eval("stats", "show", out)
    assert "extractor   random 1" in shown.stdout
    assert shown.stdout.splitlines()[-1] == f"4 features, covariance of rank 4 -> {out}"


def test_features_with_nan_make_no_statistics(tmp_path):
    values = np.ones((5, 3))
    values[4, 0] = np.nan
    np.save(tmp_path / "a.npy", values)
    out = tmp_path / "ref.npz"
    line = refusal("stats", "make", tmp_path / "a.npy", "--extractor", "x", "--out", out)
    assert "a.npy: NaN or infinity found in the features of 1 image, first of image 4 " in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (np.ones((2, 4)), "4 features an image found, 3 as in"),
        (np.ones((2, 3), np.int64), r"int64 \(2, 3\) found"),
        (np.ones(3), r"float64 \(3,\) found"),
    ],
)
def test_features_of_another_form_are_refused(tmp_path, second, fault):
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    np.save(tmp_path / "b.npy", second)
    with pytest.raises(UserError, match=fault):
        statistics_of_files([tmp_path / "a.npy", tmp_path / "b.npy"], "x")
