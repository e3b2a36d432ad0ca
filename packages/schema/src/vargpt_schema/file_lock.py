"""A file that one process at a time has, and that says which."""

import errno
import fcntl
import os


class FileHeldError(Exception):
    """Another process has the file; the text is its id, or "unknown"."""


def take(handle: int) -> None:
    """Lock an open file for this process until it is closed, and write its id into it.

    FileHeldError when another process has it; OSError where the file system has no locks.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        holder = os.pread(handle, 100, 0).decode(errors="replace").strip()
        raise FileHeldError(holder or "unknown") from error
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
