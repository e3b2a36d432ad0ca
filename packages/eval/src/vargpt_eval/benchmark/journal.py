"""Answers as they arrive: one line each, on the disk before the next question is asked."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from vargpt_schema.errors import UserError, writing_to


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One answer as it arrived, or the error that stands for it."""

    sample_id: str
    prompt: str
    images: tuple[str, ...]
    response: str
    finish_reason: str
    error: str | None
    num_tokens: int | None
    latency_ms: float | None  # of its batch
    wanted_image: bool | None = None  # where the model draws


class Journal:
    """Appends to one file, which one process writes; a line cut off by a kill is dropped."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        drop_torn_line(path)
        self._path = path
        self._file: IO[bytes] = path.open("ab")

    def add(self, entries: Iterable[JournalEntry]) -> None:
        """Durable when it returns."""
        with writing_to(self._path):
            for entry in entries:
                self._file.write(json.dumps(asdict(entry)).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def journalled(paths: Iterable[Path]) -> dict[str, JournalEntry]:
    """Entries of all processes by sample id, the last of each; a torn last line is no entry."""
    return {entry.sample_id: entry for path in paths for entry in _entries(path)}


def _entries(path: Path) -> Iterator[JournalEntry]:
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            return
        try:
            held = json.loads(line)
            yield JournalEntry(**{**held, "images": tuple(held["images"])})
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(
                f"{path}, line {number}: no stored answer found ({error}), one of this release "
                "expected. Delete the line to have the question asked again."
            ) from error


def drop_torn_line(path: Path) -> None:
    """Cut off what a kill or a full disk left behind the last line end, if the file is there."""
    if not path.exists():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole != len(data):
        os.truncate(path, whole)
