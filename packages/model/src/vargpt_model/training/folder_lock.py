"""One process a folder, and one configuration a folder."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vargpt_model.training.checkpoints import write_json
from vargpt_schema.errors import UserError
from vargpt_schema.file_lock import FileHeldError, take

STARTED = "started.json"


@contextmanager
def locked(out: Path, name: str = "lock") -> Iterator[None]:
    """Hold OUT/.work/NAME for this process; UserError when another one does."""
    path = out / ".work" / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror}), a writable folder was expected. "
            "Choose another with --out DIR, or change its owner."
        ) from error
    try:
        try:
            take(handle)
        except FileHeldError as holder:
            raise UserError(
                f"{out}: process {holder} is at work in this folder, one at a time was expected. "
                "Wait for it, or choose another folder with --out DIR."
            ) from holder
        except OSError as error:
            raise UserError(
                f"{path}: the file system cannot lock files ({error.strerror}), a local disk "
                "was expected. Choose another with --out DIR."
            ) from error
        yield
    finally:
        os.close(handle)


def expect_config(out: Path, config: Mapping[str, Any]) -> None:
    """Note a new run's configuration; UserError when a started one has another."""
    path = out / ".work" / STARTED
    now = json.loads(json.dumps(config))
    if path.exists():
        before = json.loads(path.read_text("utf-8"))
        differences = [
            f"{name}: started with {before.get(name)!r}, now {now.get(name)!r}"
            for name in sorted(before.keys() | now.keys())
            if before.get(name) != now.get(name)
        ]
        if differences:
            raise UserError(
                f"{out}: started with another configuration ({'; '.join(differences)}). "
                "Run it as started, or choose another folder with --out DIR."
            )
        return
    foreign = sorted(item.name for item in out.iterdir() if item.name != ".work")
    if foreign:
        raise UserError(
            f"{out}: files found that no run of this command wrote ({', '.join(foreign[:3])}), a "
            "new or empty folder was expected. Choose another with --out DIR."
        )
    write_json(path, now)
