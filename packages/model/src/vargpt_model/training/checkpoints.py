"""Checkpoints: folders that are there whole or not at all, and say what they hold.

OUT/checkpoints/step-00000100/ holds files and manifest.json with the size and sha256 of each. It
is written under a temporary name, fsynced, then renamed; a folder without the prefix is complete.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_schema.errors import DISK_FAULTS, UserError
from vargpt_schema.table import fsync_folder

MANIFEST = "manifest.json"
KEPT = 2  # the newest, and the one before it should the newest be damaged later
_PREFIX = "step-"

WriteFile = Callable[[Path], None]


class Checkpoint(NamedTuple):
    """One complete folder."""

    step: int  # steps done
    folder: Path


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_folder(folder: Path, files: Mapping[str, WriteFile], facts: Mapping[str, Any]) -> None:
    """Write files and their manifest into a new folder, whole or not at all.

    `facts` go into the manifest. UserError, with nothing left behind, when the disk is full.
    """
    temporary = folder.with_name(f".{folder.name}.tmp-{os.getpid()}")
    try:
        temporary.mkdir(parents=True)
        written = {}
        for name, write in files.items():
            path = temporary / name
            write(path)
            _fsync(path)
            written[name] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
        manifest = temporary / MANIFEST
        manifest.write_text(json.dumps({**facts, "files": written}, indent=2), "utf-8")
        _fsync(manifest)
        fsync_folder(temporary)
        temporary.rename(folder)
        fsync_folder(folder.parent)
    except OSError as error:
        raise disk_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_file(path: Path, write: WriteFile) -> None:
    """Write one file under a temporary name, fsync it, rename it. UserError on a full disk."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        _fsync(temporary)
        temporary.replace(path)
        fsync_folder(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """One JSON file, whole or not at all."""
    text = json.dumps(value, indent=2, sort_keys=True) + "\n"
    write_file(path, lambda temporary: _write_text(temporary, text))


def faults_of(folder: Path) -> list[str]:
    """What of a folder's files differs from its manifest; a line each."""
    try:
        listed = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        return [f"{MANIFEST} cannot be read ({error})"]
    faults = []
    for name, facts in listed.items():
        path = folder / name
        if not path.is_file():
            faults.append(f"{name} is missing")
        elif path.stat().st_size != facts["bytes"]:
            faults.append(f"{name} has {path.stat().st_size} bytes instead of {facts['bytes']}")
        elif sha256_of(path) != facts["sha256"]:
            faults.append(f"{name} has another sha256 than listed")
    return faults


class Checkpoints:
    """The checkpoints of one run, under OUT/checkpoints."""

    def __init__(self, out: Path) -> None:
        self.folder = out / "checkpoints"

    def save(self, step: int, files: Mapping[str, WriteFile]) -> None:
        """Write the state after `step` steps and remove all but the newest two."""
        target = self.folder / f"{_PREFIX}{step:08d}"
        if not target.exists():
            write_folder(target, files, {"step": step})
        for old in self._complete()[:-KEPT]:
            shutil.rmtree(old.folder)

    def newest(self, warn: Callable[[str], None]) -> Checkpoint | None:
        """The newest checkpoint whose files are as listed; damaged ones are told and removed."""
        self._remove_unfinished()
        for checkpoint in reversed(self._complete()):
            faults = faults_of(checkpoint.folder)
            if not faults:
                return checkpoint
            warn(f"{checkpoint.folder}: damaged ({faults[0]}); going on from the one before it")
            shutil.rmtree(checkpoint.folder)
        return None

    def _complete(self) -> list[Checkpoint]:
        folders = sorted(self.folder.glob(f"{_PREFIX}*"))
        return [Checkpoint(int(path.name.removeprefix(_PREFIX)), path) for path in folders]

    def _remove_unfinished(self) -> None:
        for left in self.folder.glob(f".{_PREFIX}*.tmp-*"):
            shutil.rmtree(left)


def disk_error(path: Path, error: OSError) -> OSError | UserError:
    """What to raise for a failed write: one line for a full or broken disk."""
    if error.errno not in DISK_FAULTS:
        return error
    return UserError(
        f"{path}: {os.strerror(error.errno)}; room for the whole file was expected. What was "
        "written before is kept: free some room and run the same command again."
    )


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
