"""Progress of a command on stderr: done, total, rate, time left."""

import sys
import time
from collections.abc import Callable

_SECONDS_BETWEEN_LINES = 2.0

Progress = Callable[[int, int], None]  # done, total


def lines_on_stderr(what: str) -> Progress:
    """A line every two seconds at most, and the last."""
    started = last_s = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last_s
        now = time.monotonic()
        if done < total and now - last_s < _SECONDS_BETWEEN_LINES:
            return
        last_s = now
        rate = max(done, 1) / max(now - started, 1e-6)
        left_s = (total - done) / rate
        line = f"{what}: {done:,}/{total:,}, {rate:,.0f}/s, ETA {left_s:,.0f} s"
        print(line, file=sys.stderr, flush=True)

    return show
