"""Progress of long work on stderr: a live line in a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BETWEEN_EQUAL_LINES = 30.0  # while nothing gets done, the note may still have news
_SECONDS_OF_RATE = 30.0


class Progress(Protocol):
    """Takes what has been done so far; `note` is shown below or behind the numbers."""

    def __call__(self, done: int, total: int, note: str = "") -> None: ...


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show the progress of `what` while the block runs."""
    with _live_line(what) if sys.stderr.isatty() else _plain_lines(what) as show:
        yield show


@contextmanager
def _live_line(what: str) -> Iterator[Progress]:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("ETA"),
        TimeRemainingColumn(),
    )
    rate = _Rate()
    with Live(bar, console=Console(stderr=True), refresh_per_second=4) as live:
        task = bar.add_task(what, total=None, rate="")

        def show(done: int, total: int, note: str = "") -> None:
            per_s = rate.per_s(done, time.monotonic())
            bar.update(task, completed=done, total=total, rate=f"{per_s:,.0f}/s")
            live.update(Group(bar, Text(note, no_wrap=True, overflow="ellipsis")))

        yield show


@contextmanager
def _plain_lines(what: str) -> Iterator[Progress]:
    rate = _Rate()
    last_line, last_done = time.monotonic(), -1

    def show(done: int, total: int, note: str = "") -> None:
        nonlocal last_line, last_done
        now = time.monotonic()
        per_s = rate.per_s(done, now)
        is_same = done == last_done  # the end may be told more than once
        pause_s = _SECONDS_BETWEEN_EQUAL_LINES if is_same else SECONDS_BETWEEN_LINES
        is_end = done >= total and not is_same
        if now - last_line < pause_s and not is_end:
            return
        last_line, last_done = now, done
        print(progress_line(what, done, total, per_s, note), file=sys.stderr, flush=True)

    yield show


class _Rate:
    """How fast things get done of late; what a resumed run finds done already soon drops out."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def per_s(self, done: int, now: float) -> float:
        self._seen.append((now, done))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _SECONDS_OF_RATE:
            self._seen.popleft()
        first_s, first_done = self._seen[0]
        return (done - first_done) / max(now - first_s, 1e-6)


def progress_line(what: str, done: int, total: int, per_s: float, note: str) -> str:
    """One plain line: share, rate, time left, note."""
    eta = f"ETA {(total - done) / per_s:,.0f} s" if per_s else "ETA unknown"
    line = f"{what}: {done:,}/{total:,} ({done / max(total, 1):.0%}), {per_s:,.0f}/s, {eta}"
    return f"{line}, {note}" if note else line
