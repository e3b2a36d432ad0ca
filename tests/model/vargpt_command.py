"""`vargpt` as a process of its own, on one thread."""

import os
import subprocess
import sys
import time
from pathlib import Path

START = [sys.executable, "-c", "from vargpt_model.cli import main; main()"]
PATIENCE_S = 120.0


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **changes}


def run(*words: object, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command to its end."""
    return subprocess.run(
        [*START, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(**changes),
        timeout=PATIENCE_S,
    )


def started(*words: object, **changes: str) -> subprocess.Popen[str]:
    """The command at work; the caller ends it."""
    return subprocess.Popen(
        [*START, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**changes),
    )


def wait_for_lines(path: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Until a file has that many lines; fails when the process ends before."""
    until = time.monotonic() + PATIENCE_S
    while not path.exists() or path.read_text().count("\n") < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, f"{path}: fewer than {count} lines"
        time.sleep(0.005)
