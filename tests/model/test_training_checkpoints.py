"""A checkpoint is there whole or not at all, and a damaged one is not used."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from vargpt_model.training.checkpoints import Checkpoints, faults_of, write_folder
from vargpt_model.training.metrics_log import MetricsLog
from vargpt_schema.errors import UserError


def saver(text: str):
    return {"state": lambda path: path.write_text(text)}


def saved(tmp_path: Path, *steps: int) -> Checkpoints:
    checkpoints = Checkpoints(tmp_path)
    for step in steps:
        checkpoints.save(step, saver(f"after {step}"))
    return checkpoints


def test_newest_two_are_kept_with_size_and_sha256(tmp_path):
    checkpoints = saved(tmp_path, 5, 10, 15)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == [
        "step-00000010",
        "step-00000015",
    ]
    manifest = json.loads((checkpoints.folder / "step-00000010/manifest.json").read_text())
    assert manifest == {
        "step": 10,
        "files": {
            "state": {
                "bytes": 8,
                "sha256": "e6099f59cdc7bb5728b516dc9f2cb16252e836af8e418f6700e0f618a5a596f9",
            }
        },
    }


@pytest.mark.parametrize("damage", [b"aftex 15", b"after", None])
def test_damaged_newest_is_told_and_the_one_before_used(tmp_path, damage):
    checkpoints = saved(tmp_path, 10, 15)
    state = checkpoints.folder / "step-00000015/state"
    if damage is None:
        state.unlink()
    else:
        state.write_bytes(damage)
    told: list[str] = []
    newest = checkpoints.newest(told.append)
    assert newest is not None
    assert (newest.step, len(told)) == (10, 1)
    assert "step-00000015: damaged" in told[0]


def test_what_a_kill_left_unfinished_is_removed(tmp_path):
    checkpoints = saved(tmp_path, 10)
    left = checkpoints.folder / ".step-00000015.tmp-1"
    left.mkdir()
    (left / "state").write_text("half")
    newest = checkpoints.newest([].append)
    assert newest is not None
    assert newest.step == 10
    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-00000010"]


def test_full_disk_is_one_line_and_leaves_the_last_checkpoint(tmp_path):
    checkpoints = saved(tmp_path, 10)

    def write(path: Path) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(UserError, match="No space left on device"):
        checkpoints.save(20, {"state": write})
    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-00000010"]


def forbidden(path: Path) -> None:
    raise PermissionError(errno.EACCES, "no", path)


def test_other_faults_of_writing_are_not_renamed(tmp_path):
    with pytest.raises(PermissionError):
        write_folder(tmp_path / "new", {"state": forbidden}, {})


def test_folder_without_manifest_has_a_fault(tmp_path):
    assert faults_of(tmp_path)[0].startswith("manifest.json cannot be read")


def test_metrics_of_later_steps_and_a_line_cut_off_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for step in (1, 2, 3):
        log.append(step, {"loss": step / 2})
    with path.open("a") as file:
        file.write('{"step": 1, "lo')
    log.cut_to(2)
    log.append(3, {"loss": 9.0})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 1.0},
        {"step": 3, "loss": 9.0},
    ]


def test_a_file_of_tensors_on_a_full_disk_tells_of_the_disk(tmp_path):
    program = """
import resource, sys
from pathlib import Path
import torch
from vargpt_model.training.checkpoints import Checkpoints
from vargpt_model.training.torch_file import torch_file
from vargpt_schema import UserError

resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    Checkpoints(Path(sys.argv[1])).save(1, {"state": torch_file([torch.zeros(200_000)])})
except UserError as error:
    print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "File too large; room for the whole file was expected" in ran.stdout, ran.stderr
    assert list((tmp_path / "checkpoints").iterdir()) == []
