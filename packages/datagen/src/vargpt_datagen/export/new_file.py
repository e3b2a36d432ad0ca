"""A file that exists whole or not at all, and never in place of another."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import BinaryIO

from vargpt_datagen.folder import folder_error
from vargpt_schema import UserError
from vargpt_schema.table import fsync_folder


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Write a new file under a temporary name; it takes its own when the block ends well.

    UserError when the target exists or cannot be written.
    """
    refuse_existing(path)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            refuse_existing(path)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        fsync_folder(path.parent)
    except (OSError, UnicodeEncodeError) as error:
        raise folder_error(path, error) from error


def refuse_existing(path: Path) -> None:
    """UserError when the target of an export is there already."""
    if os.path.lexists(path):
        raise UserError(
            f"{path}: exists already, a new path was expected. Nothing was changed. Choose another "
            "with --out PATH, or move it away."
        )


def _sweep(path: Path) -> None:
    """Remove what killed runs left half written."""
    for stale in path.parent.glob(f".{escape(path.name)}.tmp-*"):
        stale.unlink(missing_ok=True)
