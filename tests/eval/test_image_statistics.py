"""`stats make` of images: in one piece, in parts, and behind a kill."""

import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tests.eval.drawn_images import image_folder
from tests.eval.tiny_networks import save_random_inception
from vargpt_eval.cli_stats import stats
from vargpt_eval.generation.statistics_file import read_statistics
from vargpt_schema import UserError

PATIENCE_S = 240.0


def make(*words: object) -> Result:
    return CliRunner().invoke(stats, ["make", *map(str, words)])


def made(*words: object) -> Result:
    ran = make(*words)
    assert ran.exit_code == 0, (ran.output, ran.exception)
    return ran


def refusal(*words: object) -> str:
    """What the command refuses with, the user's one line."""
    ran = make(*words)
    assert isinstance(ran.exception, UserError), (ran.output, ran.exception)
    return str(ran.exception)


def statistics(path: Path):
    return read_statistics(path).statistics


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    return image_folder(tmp_path_factory.mktemp("real") / "images", 23)


@pytest.fixture(scope="module")
def whole(images, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "ref.npz"
    ran = made(images, "--out", out, "--batch-size", "4")
    assert ran.stdout.splitlines()[-1] == f"23 images, 256 features each -> {out}"
    assert [one.name for one in out.parent.iterdir()] == ["ref.npz"]  # no work folder is left
    return out


def test_statistics_of_images_are_those_of_their_features(images, whole):
    from PIL import Image

    from vargpt_eval.extracting.random_features import RandomExtractor

    pixels = np.stack([np.asarray(Image.open(file)) for file in sorted(images.iterdir())])
    features = RandomExtractor().extract(pixels)["pool_3"].astype(np.float64)
    found = statistics(whole)
    assert (found.num_images, found.extractor) == (23, "random-0")
    np.testing.assert_allclose(found.mean, features.mean(axis=0), rtol=1e-5, atol=1e-7)
    expected = np.cov(features, rowvar=False)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-3, atol=1e-8)


def test_parts_of_three_processes_join_to_the_whole(images, whole, tmp_path):
    parts = [tmp_path / f"part-{index}.npz" for index in range(3)]
    for index, part in enumerate(parts):
        made(images, "--shard", f"{index}/3", "--out", part)
    assert [statistics(part).num_images for part in parts] == [7, 8, 8]
    made(*parts, "--out", tmp_path / "all.npz")
    found, expected = statistics(tmp_path / "all.npz"), statistics(whole)
    assert found.num_images == 23
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-3, atol=1e-8)


def test_a_tar_file_gives_the_statistics_of_its_folder(images, whole, tmp_path):
    with tarfile.open(tmp_path / "images.tar", "w") as archive:
        for file in sorted(images.iterdir()):
            archive.add(file, file.name)
    words = (tmp_path / "images.tar", "--out", tmp_path / "ref.npz", "--batch-size", "4")
    made(*words)
    np.testing.assert_array_equal(
        statistics(tmp_path / "ref.npz").covariance, statistics(whole).covariance
    )


def test_an_image_that_cannot_be_decoded_is_said_and_left_out(images, tmp_path):
    folder = tmp_path / "images"
    shutil.copytree(images, folder)
    (folder / "0003.png").write_bytes(b"no picture")
    ran = made(folder, "--out", tmp_path / "ref.npz")
    assert "1 image not decoded, the first 0003.png" in ran.stderr
    assert statistics(tmp_path / "ref.npz").num_images == 22


@pytest.mark.slow
def test_a_killed_command_goes_on_behind_its_last_batch(images, whole, tmp_path):
    words = ["stats", "make", images, "--out", tmp_path / "ref.npz", "--batch-size", "4"]
    code = (
        "import sys, time; from vargpt_eval.extracting import random_features as made\n"
        "extract = made.RandomExtractor.extract\n"
        "made.RandomExtractor.extract = lambda *words: (time.sleep(0.2), extract(*words))[1]\n"
        "from vargpt_eval.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], stderr=subprocess.DEVNULL
    )
    features = tmp_path / "ref.npz.work/pool_3.f32"
    until = time.monotonic() + PATIENCE_S
    while not (features.exists() and features.stat().st_size > 0):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "ref.npz").exists()
    again = subprocess.run([sys.executable, "-m", "vargpt_eval", *map(str, words)], check=False)
    assert again.returncode == 0
    np.testing.assert_array_equal(
        statistics(tmp_path / "ref.npz").covariance, statistics(whole).covariance
    )


def test_inception_of_another_hash_is_refused(images, tmp_path):
    save_random_inception(tmp_path / "weights.pth")
    words = (images, "--inception", tmp_path / "weights.pth", "--out", tmp_path / "ref.npz")
    assert "sha256" in refusal(*words)
    assert not (tmp_path / "ref.npz").exists()


@pytest.mark.parametrize("shard", ["3/3", "1", "a/b", "-1/2", "0/0"])
def test_a_part_that_is_none_is_refused(shard, images, tmp_path):
    words = (images, f"--shard={shard}", "--out", tmp_path / "ref.npz")
    assert "I/N with 0 <= I < N expected" in refusal(*words)


def test_more_parts_than_images_are_refused(images, tmp_path):
    words = (images, "--shard", "0/50", "--out", tmp_path / "ref.npz")
    assert "23 images found, none for part 0 of 50" in refusal(*words)


def test_sources_of_several_kinds_are_refused(images, whole, tmp_path):
    words = (images, whole, "--out", tmp_path / "ref.npz")
    assert "sources of several kinds found" in refusal(*words)


def test_parts_of_two_extractors_are_refused(whole, tmp_path):
    np.save(tmp_path / "features.npy", np.random.default_rng(0).normal(size=(9, 256)))
    other = tmp_path / "other.npz"
    words = (tmp_path / "features.npy", "--extractor", "inception", "--out", other)
    made(*words)
    line = refusal(whole, other, "--out", tmp_path / "ref.npz")
    assert "extractor 'inception' found, 'random-0' as in" in line


def test_a_part_that_does_not_say_of_how_many_images_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", mu=np.zeros(3), sigma=np.eye(3), extractor=np.array("x"))
    line = refusal(tmp_path / "a.npz", "--out", tmp_path / "ref.npz")
    assert "no number of images found" in line


def test_features_without_the_name_of_their_extractor_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((4, 3)))
    line = refusal(tmp_path / "a.npy", "--out", tmp_path / "ref.npz")
    assert "Name it with --extractor" in line
