"""The journals of callers: where they lie, who holds them, and how the driver takes them over."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vargpt_datagen.folder import folder_error
from vargpt_datagen.journal import Journal
from vargpt_schema import UserError

_WAIT_S = 30.0  # for a caller whose driver was killed: Ray ends it within seconds


def caller_journal(work_dir: Path, number: int) -> Path:
    """The journal of a caller, on whatever machine it runs; no two callers share one."""
    return work_dir / "callers" / f"{number}.sqlite"


@contextmanager
def held(journal: Path) -> Iterator[None]:
    """Hold a journal for this process, after whoever is about to end.

    UserError when it does not end.
    """
    lock = journal.with_suffix(".lock")
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise folder_error(journal.parent, error) from error
    try:
        until_s = time.monotonic() + _WAIT_S
        while not _is_locked(handle):
            if time.monotonic() > until_s:
                holder = os.pread(handle, 100, 0).decode(errors="replace").strip() or "unknown"
                raise UserError(
                    f"{journal}: process {holder} still writes here, none was expected. End it, "
                    "then run the same command."
                )
            time.sleep(0.1)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def take_over_callers(journal: Journal, work_dir: Path) -> None:
    """Replies that callers of an earlier run have journalled on this machine.

    Each file goes once its replies are in the journal.
    """
    for path in sorted((work_dir / "callers").glob("*.sqlite")):
        with held(path):
            of_caller = Journal(path, replies_per_commit=1)
            journal.take_over(of_caller.records())
            of_caller.close()
            remove_caller(path)


def remove_caller(path: Path) -> None:
    """Remove a journal with the files that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)


def _is_locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
