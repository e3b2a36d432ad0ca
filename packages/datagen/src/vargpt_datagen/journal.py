"""The journal: every reply, durable against SIGKILL once committed, keyed by its request.

One SQLite file in WAL mode with one writer process. A reply's key is its request and the number of
its attempt; where two rows have one key, the first counts, so journals merge by appending.
"""

import dataclasses
import shlex
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from vargpt_datagen.printable import printable
from vargpt_datagen.reply import NO_REPLY, REFUSED, Reply
from vargpt_schema import ReplyRecord, UserError

_CREATE = """
CREATE TABLE replies (
    request_sha256 BLOB NOT NULL,
    attempt INTEGER NOT NULL,
    text TEXT NOT NULL,
    finish_reason TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    usd REAL
)
"""
# One row a run: USD of requests that were sent and have no reply here, but may have been billed.
_CREATE_RUNS = "CREATE TABLE runs (at_risk_usd REAL NOT NULL)"
_FORMAT = 1  # of these tables, kept as SQLite's user_version
# Rows are appended, and looked up only by a run that finds some there already. An index kept from
# the start would cost ten times the insert: its keys are hashes, so every commit touches all of it.
_INDEX = "CREATE INDEX IF NOT EXISTS by_request ON replies (request_sha256, attempt)"
_INSERT = "INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
# Kinds of failure that lie in the file itself; all others are the disk's.
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}
_SELECT = (
    "SELECT text, finish_reason, model, prompt_tokens, cached_tokens, completion_tokens, usd, "
    "min(rowid) FROM replies WHERE request_sha256 = ? GROUP BY attempt ORDER BY attempt"
)
_COLUMNS = [field.name for field in dataclasses.fields(ReplyRecord)][1:]
_SELECT_ALL = (
    "SELECT request_sha256, attempt, text, finish_reason, model, prompt_tokens, cached_tokens, "
    "completion_tokens, usd, min(rowid) FROM replies "
    "GROUP BY request_sha256, attempt ORDER BY request_sha256, attempt"
)
# total() of what is unknown in every row would be 0, sum() is NULL.
_SELECT_USAGE = (
    "SELECT total(prompt_tokens), total(cached_tokens), total(completion_tokens), sum(usd), "
    f"count(*), count(*) - count(usd) FROM ({_SELECT_ALL})"
)


class JournalUsage(NamedTuple):
    """What all replies of a journal came to."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    usd: float | None  # of those with a price; None: no price known
    num_replies: int
    num_unpriced: int


class Journal:
    """Replies by request. `replies_per_commit` 1 for paid replies, more for free ones."""

    def __init__(self, path: Path, *, replies_per_commit: int) -> None:
        self.path = path
        self._replies_per_commit = replies_per_commit
        self._pending: list[tuple[object, ...]] = []
        self._run: int | None = None  # row of this run, once it has put money at risk
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path)
            (mode,) = self._db.execute("PRAGMA journal_mode=WAL").fetchone()
            self._db.execute("PRAGMA synchronous=NORMAL")
            if self._is_new():
                self._db.execute("BEGIN")  # all of it or nothing, should the process be killed
                self._db.execute(_CREATE)
                self._db.execute(_CREATE_RUNS)
                self._db.execute(f"PRAGMA user_version={_FORMAT}")
                self._db.commit()
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

    def _is_new(self) -> bool:
        """Whether the tables are still to be made; UserError for those of another release."""
        (found,) = self._db.execute("PRAGMA user_version").fetchone()
        (num_tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if num_tables and found != _FORMAT:
            raise UserError(
                f"{self.path}: a journal of format {found} found, this release writes {_FORMAT}. "
                "Use the release that wrote it, or choose another folder with --out DIR."
            )
        return found != _FORMAT

    def replies(self, request_sha256: str) -> list[Reply]:
        """Committed replies to one request, in the order they came.

        UserError when the file is damaged.
        """
        try:
            rows = self._db.execute(_SELECT, (bytes.fromhex(request_sha256),)).fetchall()
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error
        return [Reply(*row[:-1]) for row in rows]

    def take_over(self, records: Iterable[ReplyRecord]) -> None:
        """Add replies published earlier, as if they had been here when the file was opened."""
        rows = (
            (bytes.fromhex(each.request_sha256), each.attempt, each.text, each.finish_reason,
             each.model, each.prompt_tokens, each.cached_tokens, each.completion_tokens, each.usd)
            for each in records
        )  # fmt: skip
        try:
            with self._db:
                self._db.executemany(_INSERT, rows)
                self._db.execute(_INDEX)
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error
        self.was_empty = False

    def requests(self) -> set[str]:
        """Every request that has a reply here."""
        rows = self._db.execute("SELECT DISTINCT request_sha256 FROM replies")
        return {request_sha256.hex() for (request_sha256,) in rows}

    def forget_lone_refusals(self) -> None:
        """Drop refusals where nothing was ever answered: the host was set up wrongly, not asked."""
        reasons = (REFUSED, NO_REPLY)
        try:
            with self._db:
                self._db.execute(
                    "DELETE FROM replies WHERE NOT EXISTS "
                    "(SELECT 1 FROM replies WHERE finish_reason NOT IN (?, ?))",
                    reasons,
                )
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error

    def records(self) -> Iterator[ReplyRecord]:
        """Every reply once, ordered by request and attempt: the same for whatever order they came.

        UserError when the file is damaged.
        """
        self.index()
        try:
            for request_sha256, *values, _ in self._db.execute(_SELECT_ALL):
                columns = dict(zip(_COLUMNS, values, strict=True))
                yield ReplyRecord(request_sha256=request_sha256.hex(), **columns)
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error

    def usage(self) -> JournalUsage:
        """Tokens and USD of all replies; UserError when the file is damaged."""
        self.index()
        try:
            (row,) = self._db.execute(_SELECT_USAGE).fetchall()
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error
        prompt, cached, completion, usd, num_replies, num_unpriced = row
        return JournalUsage(
            int(prompt), int(cached), int(completion), usd, num_replies, num_unpriced
        )

    def spent_usd(self) -> float:
        """USD of all replies, and of requests that earlier runs may have been billed for."""
        try:
            (usd,) = self._db.execute("SELECT total(usd) FROM replies").fetchone()
            (at_risk_usd,) = self._db.execute("SELECT total(at_risk_usd) FROM runs").fetchone()
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error
        return usd + at_risk_usd

    def note_at_risk(self, usd: float) -> None:
        """Note what this run may owe for requests without a reply here; durable at once."""
        try:
            with self._db:
                if self._run is None:
                    cursor = self._db.execute("INSERT INTO runs VALUES (?)", (usd,))
                    self._run = cursor.lastrowid
                else:
                    self._db.execute(
                        "UPDATE runs SET at_risk_usd = ? WHERE rowid = ?", (usd, self._run)
                    )
        except sqlite3.Error as error:
            raise journal_error(self.path, error) from error

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
