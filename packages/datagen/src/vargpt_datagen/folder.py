"""A build's folder: its parts, its lock, and the configuration it was started with."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vargpt_datagen.printable import printable
from vargpt_schema.errors import DISK_FAULTS, UserError
from vargpt_schema.file_lock import FileHeldError, take
from vargpt_schema.table import fsync_folder

MANIFEST = "manifest.json"
CARD = "README.md"
REPORT = "report.html"

# Of captions and seeds the contents are compared. A host may move, as servers started by Slurm do:
# the model and the form of the requests are compared, and rows keep the model that was reported.
_FREE_OPTIONS = {"rows", "captions", "seeds", "writer"}


class BuildFolder:
    """Paths of one build. Its journal alone may live elsewhere (`--work-dir`)."""

    def __init__(self, root: Path, work_dir: Path | None = None) -> None:
        self.root = root
        self.work = root / ".work"
        self.work_dir = work_dir or self.work
        self.data = root / "data"
        self.rejects = root / "rejects"
        self.replies = root / "replies"
        self.manifest = root / MANIFEST
        self.card = root / CARD
        self.report = root / REPORT
        self.journal = self.work_dir / "journal.sqlite"
        self.started = self.work / "config.json"

    def make(self) -> None:
        """Create the folder; UserError where that cannot be done or it holds something else."""
        try:
            str(self.root).encode()
            foreign = self._foreign_names()
        except (UnicodeEncodeError, OSError) as error:
            raise folder_error(self.root, error) from error
        if foreign:
            raise UserError(
                f"{self.root}: files found that no build wrote ({', '.join(foreign[:3])}), a new "
                "or empty folder was expected, or one of an earlier build. Choose another with "
                "--out DIR."
            )
        for folder in (self.root, self.work, self.work_dir):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise folder_error(folder, error) from error
            if not os.access(folder, os.W_OK | os.X_OK):
                raise UserError(
                    f"{folder}: not writable for this user, a writable folder was expected. "
                    "Choose another with --out DIR, or change its owner."
                )

    def _foreign_names(self) -> list[str]:
        """What lies in a folder that shows no sign of a build of ours."""
        if not self.root.exists() or self.work.is_dir() or self._published_config():
            return []
        return sorted(path.name for path in self.root.iterdir())

    @contextmanager
    def locked(self, name: str = "lock") -> Iterator[None]:
        """Hold the folder for this process, and the one of its journal; or a named part of both.

        UserError when another process has one of them, or another build its journal there.
        """
        is_elsewhere = self.work_dir != self.work
        # A file system that cannot lock is one reason for --work-dir: its lock has to do then.
        with self._locked(self.work / name, is_needed=not is_elsewhere):
            if not is_elsewhere:
                yield
                return
            with self._locked(self.work_dir / name, is_needed=True):
                self._expect_own_work_dir()
                yield

    @contextmanager
    def locked_in_turn(self, name: str) -> Iterator[None]:
        """Hold a named part of the folder, after whoever holds it now."""
        with (self.work_dir / name).open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _expect_own_work_dir(self) -> None:
        owner = self.work_dir / "build"
        root = str(self.root.resolve())
        found = owner.read_text("utf-8") if owner.exists() else root
        if found != root:
            raise UserError(
                f"--work-dir {self.work_dir}: holds the journal of the build in "
                f"{printable(found)}, one of its own was expected. Choose another --work-dir."
            )
        write_text(owner, root)

    @contextmanager
    def _locked(self, path: Path, *, is_needed: bool) -> Iterator[None]:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise folder_error(path, error) from error
        try:
            try:
                take(handle)
            except FileHeldError as holder:
                place = self.root if path.parent == self.work else path.parent
                raise UserError(
                    f"{place}: process {holder} is building in this folder, one at a time was "
                    "expected. Wait for it, or choose another folder with --out DIR."
                ) from holder
            except OSError as error:
                if is_needed:
                    raise UserError(
                        f"{path}: the file system cannot lock files ({error.strerror}). "
                        "Put the lock on a local disk with --work-dir DIR."
                    ) from error
            yield
        finally:
            os.close(handle)

    def expect_config(self, config: Mapping[str, Any]) -> None:
        """Note the configuration of a new build; UserError when a started one has another.

        `rows` may be raised, and lowered too as long as fewer are published. Inputs count by their
        contents, not by the path that leads to them.
        """
        started = {**config, "work_dir": str(self.work_dir.resolve())}
        before = self._started_config()
        if before is None:
            before = self._published_config() or started
        differences = [
            f"{name}: started with {before[name]!r}, now {started.get(name)!r}"
            for name in sorted(before.keys() - _FREE_OPTIONS)
            if before[name] != started.get(name)
        ]
        published_rows = (self._published_config() or {}).get("rows", 0)
        if isinstance(published_rows, int) and published_rows > config["rows"]:
            differences.append(f"rows: {published_rows} published, now {config['rows']}")
        if differences:
            raise UserError(
                f"{self.root}: this build was started with another configuration "
                f"({'; '.join(differences)}). Run it as started, or choose another folder "
                "with --out DIR."
            )
        write_text(self.started, json.dumps(started, indent=2, sort_keys=True))

    def told_config(self) -> dict[str, Any] | None:
        """The configuration of a published or started build."""
        return self._published_config() or self._started_config()

    def started_work_dir(self) -> Path | None:
        """Where the journal of a started build lies; None for the usual place."""
        work_dir = Path((self._started_config() or {}).get("work_dir", self.work))
        return None if work_dir == self.work.resolve() else work_dir

    def _started_config(self) -> dict[str, Any] | None:
        if not self.started.exists():
            return None
        try:
            return dict(json.loads(self.started.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"{self.started}: damaged ({error}), the options of this build were expected. "
                "Remove it, and run the command with the options the build was started with."
            ) from error

    def _published_config(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self.manifest.read_text("utf-8"))["config"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def sweep(self) -> None:
        """Remove what a killed process left half written."""
        for part in (self.root, self.work, self.data, self.rejects, self.replies):
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
def disk_faults_are_said(root: Path) -> Iterator[None]:
    """Turn what the system refuses below `root` into one line for the user."""
    try:
        yield
    except OSError as error:
        path = Path(error.filename) if isinstance(error.filename, str) else None
        if error.errno not in DISK_FAULTS and not (path and path.is_relative_to(root)):
            raise
        raise folder_error(path or root, error) from error


def folder_error(path: Path, error: OSError | UnicodeEncodeError) -> UserError:
    """One line for a path that cannot be made or written."""
    is_named_badly = isinstance(error, UnicodeEncodeError)
    reason = "its name is no text" if is_named_badly else error.strerror or str(error)
    return UserError(
        f"{str(path).encode('utf-8', 'backslashreplace').decode()}: cannot be written ({reason}). "
        "What was done so far is kept. Free some space or choose another folder with --out DIR, "
        "then run the same command."
    )
