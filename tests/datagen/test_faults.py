"""Kills, Ctrl-C, full disks, damaged files: nothing is lost, and the message says what to do."""

import os
import random
import resource
import signal
import time
from pathlib import Path

import pytest

from tests.datagen.command import datagen, published, start_datagen

ROWS = 4_000


def wait_for_journal(folder: Path) -> None:
    """Until the command has begun to write."""
    until = time.monotonic() + 30
    while not (folder / ".work" / "journal.sqlite").exists():
        assert time.monotonic() < until, "the build did not start"
        time.sleep(0.02)


@pytest.mark.slow
def test_sigkill_at_ten_random_moments_changes_no_byte(tmp_path: Path):
    started = time.monotonic()
    rows = 2 * ROWS
    assert datagen("build-130k", "--rows", rows, "--out", "calm", cwd=tmp_path).returncode == 0
    whole_s = time.monotonic() - started

    chosen = random.Random(20250122)
    for kill in range(10):
        rows = ROWS if kill < 5 else 2 * ROWS  # the second half of the kills meets a raised build
        process = start_datagen("build-130k", "--rows", rows, "--out", "killed", cwd=tmp_path)
        time.sleep(chosen.uniform(0.1, 1.0) * whole_s)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:  # faster than the kill: the next one publishes again
            (tmp_path / "killed" / "manifest.json").unlink()
            next((tmp_path / "killed" / "data").glob("*.parquet")).unlink()
    ran = datagen("build-130k", "--rows", rows, "--out", "killed", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert published(tmp_path / "killed") == published(tmp_path / "calm")


def test_ctrl_c_keeps_what_has_arrived_and_prints_the_command_that_continues(tmp_path: Path):
    process = start_datagen("build-130k", "--rows", 60_000, "--out", "build", cwd=tmp_path)
    wait_for_journal(tmp_path / "build")
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert stderr.endswith("Continue with: datagen build-130k --rows 60000 --out build\n")
    assert not (tmp_path / "build" / "manifest.json").exists()
    assert (tmp_path / "build" / ".work" / "journal.sqlite").stat().st_size > 0


def test_a_second_process_on_the_folder_is_refused(tmp_path: Path):
    first = start_datagen("build-130k", "--rows", 60_000, "--out", "build", cwd=tmp_path)
    try:
        wait_for_journal(tmp_path / "build")
        second = datagen("build-130k", "--rows", 60_000, "--out", "build", cwd=tmp_path)
    finally:
        first.kill()
        first.communicate()
    assert second.returncode == 2
    assert f"build: process {first.pid} is building in this folder" in second.stderr


def limited(num_bytes: int):
    """A process that may write no file larger than this."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))


def test_a_disk_full_under_the_journal_loses_nothing(tmp_path: Path):
    words = ("build-130k", "--rows", 1_500)
    full = datagen(*words, "--out", "full", cwd=tmp_path, preexec=limited(200_000))
    assert full.returncode == 2, full.stderr
    assert "the journal cannot be written" in full.stderr
    assert "Traceback" not in full.stderr
    assert datagen(*words, "--out", "full", cwd=tmp_path).returncode == 0
    assert datagen(*words, "--out", "calm", cwd=tmp_path).returncode == 0
    assert published(tmp_path / "full") == published(tmp_path / "calm")


def test_a_disk_full_under_a_shard_leaves_no_half_shard(tmp_path: Path):
    words = ("build-130k", "--rows", 600, "--out", "build")
    assert datagen(*words, cwd=tmp_path).returncode == 0
    calm = published(tmp_path / "build")
    (tmp_path / "build" / "manifest.json").unlink()
    (shard,) = (tmp_path / "build" / "data").iterdir()
    shard.unlink()
    full = datagen(*words, cwd=tmp_path, preexec=limited(40_000))
    assert full.returncode == 2, full.stderr
    assert "cannot be written (File too large)" in full.stderr
    assert list((tmp_path / "build" / "data").iterdir()) == []
    assert datagen("verify", "build", cwd=tmp_path).stdout.startswith(
        "build/manifest.json: missing"
    )
    assert datagen(*words, cwd=tmp_path).returncode == 0
    assert published(tmp_path / "build") == calm


@pytest.mark.parametrize(
    ("words", "num_bytes"),
    [(("build-1270k", "--rows", 2_000), 50_000), (("build-stage2", "--rows", 300), 40_000)],
)
def test_a_disk_full_ends_builds_without_a_writer_with_one_line(
    words: tuple[object, ...], num_bytes: int, tmp_path: Path
):
    full = datagen(*words, "--out", "full", cwd=tmp_path, preexec=limited(num_bytes))
    assert full.returncode == 2, full.stderr
    assert "cannot be written (File too large)" in full.stderr.splitlines()[-1]
    assert not (tmp_path / "full" / "manifest.json").exists()
    assert list(tmp_path.glob("full/data/*")) == []
    assert datagen(*words, "--out", "full", cwd=tmp_path).returncode == 0
    assert datagen(*words, "--out", "calm", cwd=tmp_path).returncode == 0
    assert published(tmp_path / "full") == published(tmp_path / "calm")


@pytest.mark.parametrize(
    "words", [("build-1270k", "--rows", 1_000_000), ("build-stage2", "--rows", 30_000)]
)
def test_a_second_process_on_a_folder_without_a_writer_is_refused(
    words: tuple[object, ...], tmp_path: Path
):
    first = start_datagen(*words, "--out", "build", cwd=tmp_path)
    lock = tmp_path / "build" / ".work" / "lock"
    try:
        until = time.monotonic() + 60
        while not (lock.exists() and lock.read_text()):
            assert time.monotonic() < until, "the build did not start"
            time.sleep(0.005)
        second = datagen(*words, "--out", "build", cwd=tmp_path)
    finally:
        first.kill()
        first.communicate()
    assert second.returncode == 2
    assert f"build: process {first.pid} is building in this folder" in second.stderr


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    ran = datagen("build-130k", "--rows", 10, "--out", "file/build", cwd=tmp_path)
    assert ran.returncode == 2
    assert "error: file/build: cannot be written (Not a directory)" in ran.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path):
    (tmp_path / "build").mkdir(mode=0o500)
    ran = datagen("build-130k", "--rows", 10, "--out", "build", cwd=tmp_path)
    assert ran.returncode == 2
    assert "not writable" in ran.stderr or "cannot be written" in ran.stderr


def test_the_journal_may_live_elsewhere(tmp_path: Path):
    words = ("build-130k", "--rows", 50, "--out", "build", "--work-dir", "work")
    ran = datagen(*words, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "work" / "journal.sqlite").exists()
    assert not (tmp_path / "build" / ".work" / "journal.sqlite").exists()
    assert "nothing to do" in datagen(*words, cwd=tmp_path).stdout
    ran = datagen(*words[:-2], cwd=tmp_path)
    assert ran.returncode == 2
    assert "work_dir: started with" in ran.stderr


@pytest.fixture
def small_build(tmp_path: Path) -> Path:
    ran = datagen("build-130k", "--rows", 300, "--out", "build", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    return tmp_path / "build"


def faults_found(folder: Path) -> str:
    """What `verify` prints for a folder it must find bad."""
    ran = datagen("verify", folder.name, cwd=folder.parent)
    assert ran.returncode == 1, (ran.stdout, ran.stderr)
    assert "Traceback" not in ran.stderr
    return ran.stdout


def test_verify_finds_a_flipped_byte(small_build: Path):
    (shard,) = (small_build / "data").iterdir()
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert f"data/{shard.name}: sha256 is" in faults_found(small_build)


def test_verify_finds_a_cut_shard_a_missing_and_a_foreign_one(small_build: Path):
    (shard,) = (small_build / "data").iterdir()
    shard.write_bytes(shard.read_bytes()[:-100])
    assert "size_bytes is" in faults_found(small_build)
    shard.rename(small_build / "data" / "train-00009-of-00010.parquet")
    found = faults_found(small_build)
    assert f"data/{shard.name}: missing" in found
    assert "data/train-00009-of-00010.parquet: not in the manifest" in found


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "files": 3}'])
def test_verify_finds_a_damaged_manifest(text, small_build: Path):
    (small_build / "manifest.json").write_text(text)
    assert faults_found(small_build).startswith("build/manifest.json: damaged")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}'])
def test_a_damaged_manifest_is_made_good_by_the_same_command(text, small_build: Path):
    before = published(small_build)
    (small_build / "manifest.json").write_text(text)
    words = ("build-130k", "--rows", 300, "--out", "build")
    ran = datagen(*words, cwd=small_build.parent)
    assert ran.returncode == 0, ran.stderr
    assert published(small_build) == before
