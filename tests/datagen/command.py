"""Runs the real command in a process of its own."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

START = "from vargpt_datagen.cli import main; main()"


def datagen(
    *words: object, cwd: Path, preexec: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """`datagen WORDS` to its end."""
    return subprocess.run(
        [sys.executable, "-c", START, *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=preexec,
    )


def start_datagen(*words: object, cwd: Path) -> subprocess.Popen[str]:
    """`datagen WORDS` in the background; Ctrl-C reaches it even below a shell that ignores it."""
    return subprocess.Popen(
        [sys.executable, "-c", START, *map(str, words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def published(folder: Path) -> dict[str, bytes]:
    """Every published file's bytes: all of the folder but its .work."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".work" not in path.relative_to(folder).parts
    }
