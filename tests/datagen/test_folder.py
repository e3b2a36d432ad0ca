"""A build's folder: lock, started configuration, errors of the file system."""

import errno
import fcntl
import json
from pathlib import Path

import pytest

from vargpt_datagen.folder import BuildFolder, disk_faults_are_said, write_text
from vargpt_schema import UserError

CONFIG = {"rows": 100, "seed": 0, "captions": "world"}


def made(root: Path) -> BuildFolder:
    folder = BuildFolder(root)
    folder.make()
    return folder


def test_the_same_configuration_and_more_rows_are_accepted(tmp_path: Path):
    folder = made(tmp_path / "build")
    folder.expect_config(CONFIG)
    folder.expect_config(CONFIG)
    folder.expect_config({**CONFIG, "rows": 200})
    assert json.loads(folder.started.read_text())["rows"] == 200


def test_another_configuration_is_refused_with_the_difference(tmp_path: Path):
    folder = made(tmp_path / "build")
    folder.expect_config(CONFIG)
    with pytest.raises(UserError, match=r"another configuration \(seed: started with 0, now 7\)"):
        folder.expect_config({**CONFIG, "seed": 7})


def test_rows_may_be_lowered_until_they_are_published(tmp_path: Path):
    folder = made(tmp_path / "build")
    folder.expect_config(CONFIG)
    folder.expect_config({**CONFIG, "rows": 50})
    write_text(folder.manifest, json.dumps({"config": {**CONFIG, "rows": 50}}))
    with pytest.raises(UserError, match="rows: 50 published, now 49"):
        folder.expect_config({**CONFIG, "rows": 49})


def test_inputs_count_by_their_contents_and_the_journals_place_counts_too(tmp_path: Path):
    folder = made(tmp_path / "build")
    folder.expect_config({**CONFIG, "captions": "a.parquet", "captions_sha256": "1"})
    folder.expect_config({**CONFIG, "captions": "./a.parquet", "captions_sha256": "1"})
    with pytest.raises(UserError, match="captions_sha256: started with '1', now '2'"):
        folder.expect_config({**CONFIG, "captions": "a.parquet", "captions_sha256": "2"})
    elsewhere = BuildFolder(tmp_path / "build", tmp_path / "work")
    with pytest.raises(UserError, match="work_dir: started with"):
        elsewhere.expect_config({**CONFIG, "captions": "a.parquet", "captions_sha256": "1"})


def test_a_published_folder_without_work_still_knows_its_configuration(tmp_path: Path):
    folder = made(tmp_path / "build")
    write_text(folder.manifest, json.dumps({"config": CONFIG}))
    with pytest.raises(UserError, match="seed: started with 0, now 7"):
        folder.expect_config({**CONFIG, "seed": 7})


def test_two_holders_of_the_lock_are_one_too_many(tmp_path: Path):
    folder = made(tmp_path / "build")
    with (
        folder.locked(),
        pytest.raises(UserError, match=r"process \d+ is building in this folder"),
        BuildFolder(tmp_path / "build").locked(),
    ):
        pass
    with folder.locked():
        pass


def test_a_disk_that_cannot_lock_needs_a_work_dir_and_does_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    flock, out = fcntl.flock, tmp_path / "build"

    def no_locks_in_out(handle: int, operation: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink().is_relative_to(out):
            raise OSError(errno.ENOLCK, "No locks available")
        flock(handle, operation)

    monkeypatch.setattr("vargpt_datagen.folder.fcntl.flock", no_locks_in_out)
    with pytest.raises(UserError, match=r"cannot lock files .* --work-dir DIR"), made(out).locked():
        pass
    elsewhere = BuildFolder(out, tmp_path / "work")
    elsewhere.make()
    with (
        elsewhere.locked(),
        pytest.raises(UserError, match=r"work: process \d+ is building in this folder"),
        BuildFolder(out, tmp_path / "work").locked(),
    ):
        pass


def test_a_file_in_the_folders_place_is_said(tmp_path: Path):
    (tmp_path / "build").write_text("a file")
    with pytest.raises(UserError, match=r"build: cannot be written \(Not a directory\)"):
        made(tmp_path / "build")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_refuses_is_one_line(number, tmp_path: Path):
    with (
        pytest.raises(UserError, match="What was done so far is kept"),
        disk_faults_are_said(tmp_path),
    ):
        raise OSError(number, "refused")


def test_a_path_below_the_folder_that_the_system_refuses_is_named(tmp_path: Path):
    (tmp_path / "data").write_text("a file")
    with (
        pytest.raises(UserError, match="data/shard: cannot be written"),
        disk_faults_are_said(tmp_path),
    ):
        (tmp_path / "data" / "shard").write_text("x")


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path):
    with pytest.raises(FileNotFoundError), disk_faults_are_said(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "missing")


def test_a_small_file_is_replaced_whole(tmp_path: Path):
    write_text(tmp_path / "a.json", "one")
    write_text(tmp_path / "a.json", "two")
    assert (tmp_path / "a.json").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
