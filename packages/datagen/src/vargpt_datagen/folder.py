"""A build's folder: its parts, its lock, and the configuration it was started with."""

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vargpt_schema import UserError
from vargpt_schema.table import fsync_folder

MANIFEST = "manifest.json"
CARD = "README.md"
REPORT = "report.html"


class BuildFolder:
    """Paths of one build. The journal and lock may live elsewhere (`--work-dir`)."""

    def __init__(self, root: Path, work_dir: Path | None = None) -> None:
        self.root = root
        self.work = work_dir or root / ".work"
        self.data = root / "data"
        self.rejects = root / "rejects"
        self.manifest = root / MANIFEST
        self.card = root / CARD
        self.report = root / REPORT
        self.journal = self.work / "journal.sqlite"
        self.started = self.work / "config.json"

    def make(self) -> None:
        """Create the folder; UserError where that cannot be done."""
        for folder in (self.root, self.work):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise folder_error(folder, error) from error
            if not os.access(folder, os.W_OK | os.X_OK):
                raise UserError(
                    f"{folder}: not writable for this user, a writable folder was expected. "
                    "Choose another with --out DIR, or change its owner."
                )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; UserError when another one has it."""
        path = self.work / "lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise folder_error(path, error) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise UserError(
                        f"{path}: the file system cannot lock files ({error.strerror}). "
                        "Put the journal on a local disk with --work-dir DIR."
                    ) from error
                holder = os.pread(handle, 100, 0).decode(errors="replace").strip() or "unknown"
                raise UserError(
                    f"{self.root}: process {holder} is building in this folder, one at a time was "
                    "expected. Wait for it, or choose another folder with --out DIR."
                ) from error
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
            yield
        finally:
            os.close(handle)

    def expect_config(self, config: Mapping[str, Any]) -> None:
        """Note the configuration of a new build; UserError when a started one has another.

        `rows` alone may be raised later.
        """
        before = self._started_config()
        if before is not None:
            differences = [
                f"{name}: started with {before.get(name)!r}, now {config.get(name)!r}"
                for name in sorted({*before, *config})
                if before.get(name) != config.get(name) and name != "rows"
            ]
            if before.get("rows", 0) > config["rows"]:
                differences.append(f"rows: started with {before['rows']}, now {config['rows']}")
            if differences:
                raise UserError(
                    f"{self.root}: this build was started with another configuration "
                    f"({'; '.join(differences)}). Run it as started, or choose another folder "
                    "with --out DIR."
                )
        text = json.dumps(dict(config), indent=2, sort_keys=True)
        write_text(self.started, text)

    def _started_config(self) -> dict[str, Any] | None:
        if self.started.exists():
            return json.loads(self.started.read_text())
        try:  # .work was deleted after publishing
            return json.loads(self.manifest.read_text())["config"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def sweep(self) -> None:
        """Remove what a killed process left half written."""
        for part in (self.root, self.work, self.data, self.rejects):
            for stale in part.glob(".*.tmp-*"):
                stale.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a small file whole or not at all, durably."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_folder(path.parent)


@contextmanager
def full_disk_is_said(root: Path) -> Iterator[None]:
    """Turn a disk that is full, read-only or over quota into one line for the user."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO):
            raise
        raise folder_error(Path(error.filename or root), error) from error


def folder_error(path: Path, error: OSError) -> UserError:
    """One line for a path that cannot be made or written."""
    return UserError(
        f"{path}: cannot be written ({error.strerror or error}). What was done so far is kept. "
        "Free some space or choose another folder with --out DIR, then run the same command."
    )
