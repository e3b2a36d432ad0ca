"""`datagen build-130k` against the test server, as whole processes that are watched from outside.

The journal is read while the command writes it: each look takes some 50 us and locks nothing.
"""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from build_130k import START

_SERVER = Path(__file__).with_name("llm_server.py")
_READY = "listening on "
_SECONDS_BETWEEN_LOOKS = 0.02
_MODEL = "test"
_PRICE = "1,2"  # USD per million tokens


class Server:
    """A running `llm_server.py`."""

    def __init__(self, url: str) -> None:
        self.url = url  # base URL, as `--writer` takes it

    def ledger(self) -> dict[str, Any]:
        """What was asked and answered, as `llm_ledger.Ledger.totals` names it."""
        return self._read("/ledger")

    def billed(self) -> list[tuple[str, float]]:
        """sha256 of the body and monotonic seconds of every completion that is paid for."""
        return [(sha256, time_s) for sha256, time_s in self._read("/billed")]

    def _read(self, path: str) -> Any:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + path, timeout=60) as response:
            return json.load(response)


@contextmanager
def running_server(*words: object) -> Iterator[Server]:
    """`llm_server.py WORDS` on a free port, ended with the block."""
    process = subprocess.Popen(
        [sys.executable, str(_SERVER), *map(str, words)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(_READY):
            raise SystemExit("the test server did not start, its reason is above")
        yield Server(line.removeprefix(_READY).strip())
    finally:
        process.kill()
        process.communicate()


class Look(NamedTuple):
    """The command at one moment."""

    time_s: float  # monotonic, the clock of the server's ledger
    num_replies: int  # in the journal
    cpu_s: float  # of the whole process since its start
    queued_s: float  # that its main thread was ready to run and had no core
    machine_s: float  # of all cores of the machine, busy with anything


class Ran(NamedTuple):
    """A command that has ended."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    looks: list[Look]
    killed_s: float | None  # monotonic, just before the SIGKILL


@contextmanager
def build_folder() -> Iterator[Path]:
    """A place for one build, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="endpoint-"))
    try:
        yield folder / "out"
    finally:
        shutil.rmtree(folder)


def run_build(
    server: Server, out: Path, *, rows: int, in_flight: int, kill_at: int | None = None
) -> Ran:
    """One run of the command; SIGKILL once the journal holds `kill_at` replies."""
    words = ("--rows", rows, "--out", out, "--writer", server.url, "--model", _MODEL)
    words += ("--key-env", "none", "--price", _PRICE, "--in-flight", in_flight)
    said = out.with_name("stderr.txt")
    started_s = time.monotonic()
    with said.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", START, "build-130k", *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        looks, killed_s, status, usage = _watched(process.pid, out, kill_at)
    except BaseException:
        process.kill()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    expected = 0 if killed_s is None else -signal.SIGKILL
    if process.returncode != expected or (kill_at is not None and killed_s is None):
        tail = said.read_text("utf-8", "replace")[-2_000:]
        raise SystemExit(f"datagen build-130k ended with {process.returncode}:\n{tail}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return Ran(time.monotonic() - started_s, cpu_s, usage.ru_maxrss / 1024, looks, killed_s)


def _watched(pid: int, out: Path, kill_at: int | None) -> tuple[list[Look], float | None, int, Any]:
    looks: list[Look] = []
    killed_s: float | None = None
    journal = _JournalSize(out / ".work" / "journal.sqlite")
    try:
        while True:
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                return looks, killed_s, status, usage
            if killed_s is None:
                num_replies = journal.num_replies()
                looks.append(_look(pid, num_replies))
                if kill_at is not None and num_replies >= kill_at:
                    killed_s = time.monotonic()
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    finally:
        journal.close()


class _JournalSize:
    """Replies in a journal that another process writes, and may not have made yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None

    def num_replies(self) -> int:
        if self._db is None:
            wal = self._path.with_name(f"{self._path.name}-wal")
            if not wal.exists() or not wal.stat().st_size:
                return 0
            self._db = _reader(self._path)
        try:
            (highest,) = self._db.execute("SELECT max(rowid) FROM replies").fetchone()
        except sqlite3.OperationalError:  # its tables are not there yet
            return 0
        return highest or 0

    def close(self) -> None:
        if self._db is not None:
            self._db.close()


def _reader(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, not even by tidying up after a kill."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def journalled(out: Path) -> dict[str, int]:
    """Attempts by sha256 of the request, of all replies in a journal nobody writes just now."""
    database = _reader(out / ".work" / "journal.sqlite")
    try:
        rows = database.execute("SELECT request_sha256, max(attempt) FROM replies GROUP BY 1")
        return {sha256.hex(): attempts for sha256, attempts in rows}
    finally:
        database.close()


def manifest(out: Path) -> dict[str, Any]:
    """What a published build says of itself."""
    return json.loads((out / "manifest.json").read_text("utf-8"))


def num_faults(out: Path) -> int:
    """Faults that `datagen verify` finds in a published build."""
    words = [sys.executable, "-c", START, "verify", str(out)]
    done = subprocess.run(words, capture_output=True, text=True)
    return 0 if done.returncode == 0 else max(len(done.stdout.splitlines()) - 1, 1)


def _look(pid: int, num_replies: int) -> Look:
    """All but the first two are kept by Linux only, and nan elsewhere."""
    now_s, ticks_per_s = time.monotonic(), os.sysconf("SC_CLK_TCK")
    try:
        of_process = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        of_thread = Path(f"/proc/{pid}/schedstat").read_text().split()
        user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text().split()[1:]
    except OSError:
        return Look(now_s, num_replies, *[float("nan")] * 3)
    return Look(
        now_s,
        num_replies,
        cpu_s=(int(of_process[11]) + int(of_process[12])) / ticks_per_s,
        queued_s=int(of_thread[1]) / 1e9,
        machine_s=sum(map(int, (user, nice, system, irq, softirq))) / ticks_per_s,
    )
