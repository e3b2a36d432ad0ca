"""The one error a user's mistake raises; every command prints it as one line and exits with 2."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A disk that is full, over its quota or read-only, a file that may grow no further, bad hardware.
DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
_PATH_FAULTS = (
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG),
)


class UserError(Exception):
    """A mistake its reader can mend: where, what was found, what was expected, what to do next."""


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Around writes: a full disk's error names no file by itself, and then says `path`."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def refused_path(error: OSError) -> UserError | None:
    """One line for a path that the system refuses to make, open or fill; None for other faults."""
    if error.errno not in (*DISK_FAULTS, *_PATH_FAULTS):
        return None
    return UserError(
        f"{error.filename or 'disk'}: {error.strerror}; a path that this user may use, with room "
        "for what is written, was expected. What was done is kept: free some room or name another "
        "path, then run the same command again."
    )
