"""What is known of every picture a build has looked at, durable, so that a resumed build goes on.

One SQLite file in WAL mode with one writer process, as the journal of replies.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from vargpt_datagen.stage2.images import Picture
from vargpt_schema import UserError

_CREATE = """
CREATE TABLE IF NOT EXISTS pictures (
    place TEXT PRIMARY KEY,
    sha256 BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    format TEXT NOT NULL,
    fault TEXT NOT NULL
) WITHOUT ROWID
"""
_INSERT = "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?)"
_PLACES_PER_QUERY = 500
_PICTURES_PER_COMMIT = 500


class ImageLedger:
    """Pictures by place: a path below the image root, or a table's file and row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pending: list[tuple[object, ...]] = []
        try:
            self._db = sqlite3.connect(path)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_CREATE)
            self._db.commit()
        except sqlite3.Error as error:
            raise self._error(error) from error

    def known(self, places: Sequence[str]) -> dict[str, Picture]:
        """What is known of these places; those never looked at are left out."""
        self.commit()
        found: dict[str, Picture] = {}
        try:
            for start in range(0, len(places), _PLACES_PER_QUERY):
                asked = list(places[start : start + _PLACES_PER_QUERY])
                marks = ",".join("?" * len(asked))
                rows = self._db.execute(f"SELECT * FROM pictures WHERE place IN ({marks})", asked)
                found |= {place: Picture(*values) for place, *values in rows}
        except sqlite3.Error as error:
            raise self._error(error) from error
        return found

    def note(self, place: str, picture: Picture) -> None:
        """Note one picture; committed with its group."""
        self._pending.append((place, *picture))
        if len(self._pending) >= _PICTURES_PER_COMMIT:
            self.commit()

    def commit(self) -> None:
        """Make what was noted durable. UserError when the disk refuses."""
        try:
            with self._db:
                self._db.executemany(_INSERT, self._pending)
        except sqlite3.Error as error:
            raise self._error(error) from error
        self._pending.clear()

    def close(self) -> None:
        """Commit what is left and close."""
        try:
            self.commit()
        finally:
            self._db.close()

    def _error(self, error: sqlite3.Error) -> UserError:
        return UserError(
            f"{self.path}: the list of pictures cannot be read or written ({error}). Free some "
            "space, move a damaged file away, or choose a local disk with --work-dir DIR; then run "
            "the same command."
        )
