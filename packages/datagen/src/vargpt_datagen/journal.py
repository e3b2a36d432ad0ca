"""The journal: every reply, durable against SIGKILL once committed, keyed by its request.

One SQLite file in WAL mode with one writer process. A reply's key is its request and the number of
its attempt; where two rows have one key, the first counts, so journals merge by appending.
"""

import shlex
import sqlite3
from pathlib import Path

from vargpt_datagen.printable import printable
from vargpt_datagen.reply import Reply
from vargpt_schema import UserError

_CREATE = """
CREATE TABLE IF NOT EXISTS replies (
    request_sha256 BLOB NOT NULL,
    attempt INTEGER NOT NULL,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL
)
"""
# Rows are appended, and looked up only by a run that finds some there already. An index kept from
# the start would cost ten times the insert: its keys are hashes, so every commit touches all of it.
_INDEX = "CREATE INDEX IF NOT EXISTS by_request ON replies (request_sha256, attempt)"
_INSERT = "INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
# Kinds of failure that lie in the file itself; all others are the disk's.
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_SELECT = (
    "SELECT text, finish_reason, model, prompt_tokens, cached_tokens, completion_tokens, "
    "min(rowid) FROM replies WHERE request_sha256 = ? GROUP BY attempt ORDER BY attempt"
)


class Journal:
    """Replies by request. `replies_per_commit` 1 for paid replies, more for free ones."""

    def __init__(self, path: Path, *, replies_per_commit: int) -> None:
        self.path = path
        self._replies_per_commit = replies_per_commit
        self._pending: list[tuple[object, ...]] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path)
            (mode,) = self._db.execute("PRAGMA journal_mode=WAL").fetchone()
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(_CREATE)
            (is_empty,) = self._db.execute("SELECT NOT EXISTS (SELECT 1 FROM replies)").fetchone()
            self.was_empty = bool(is_empty)  # when it was opened
            if not self.was_empty:
                self._db.execute(_INDEX)
            self._db.commit()
        except (sqlite3.Error, OSError) as error:
            raise journal_error(path, error) from error
        if mode != "wal":
            raise UserError(
                f"{path}: the file system gives SQLite journal mode {mode!r}, 'wal' is needed. "
                "Put the journal on a local disk with --work-dir DIR."
            )

    def replies(self, request_sha256: str) -> list[Reply]:
        """Committed replies to one request, in the order they came.

        UserError when the file is damaged.
        """
        try:
            rows = self._db.execute(_SELECT, (bytes.fromhex(request_sha256),)).fetchall()
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error
        return [Reply(*row[:-1]) for row in rows]

    def index(self) -> None:
        """Commit, and make looking up quick from now on."""
        self.commit()
        try:
            self._db.execute(_INDEX)
            self._db.commit()
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error

    def add(self, request_sha256: str, attempt: int, reply: Reply) -> None:
        """Note one reply; committed at once or with its group."""
        self._pending.append((bytes.fromhex(request_sha256), attempt, *reply))
        if len(self._pending) >= self._replies_per_commit:
            self.commit()

    def commit(self) -> None:
        """Make what was added durable; UserError when the disk refuses, with nothing lost."""
        if not self._pending:
            return
        try:
            with self._db:
                self._db.executemany(_INSERT, self._pending)
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error
        self._pending.clear()

    def close(self) -> None:
        """Commit what is left and close."""
        try:
            self.commit()
        finally:
            self._db.close()


def journal_error(path: Path, error: Exception) -> UserError:
    """One line for a journal that cannot be opened, read or written."""
    if path.is_dir():
        return UserError(
            f"{path}: a folder found, the journal's file was expected. "
            "Move it away and run the same command."
        )
    if _is_damage(error):
        return UserError(
            f"{path}: the journal is damaged ({printable(str(error))}). Move it away, with its "
            "-wal and -shm files, and run the same command; replies in it can be salvaged with: "
            f"sqlite3 {shlex.quote(str(path))} .recover"
        )
    return UserError(
        f"{path}: the journal cannot be written ({error}). Replies committed so far are kept. "
        "Free some space or choose a local disk with --work-dir DIR, then run the same command."
    )


def _is_damage(error: Exception) -> bool:
    if not isinstance(error, sqlite3.Error):
        return False
    # Text that is no UTF-8 comes without a code, as SQLite itself has no objection to it.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
    return code & 0xFF in _DAMAGE  # the low byte is the kind, the rest says more of it
