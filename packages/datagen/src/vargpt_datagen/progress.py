"""Progress of long work on stderr: a live line in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

SECONDS_BETWEEN_LINES = 5.0


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
    started = time.monotonic()
    with Live(bar, console=Console(stderr=True), refresh_per_second=4) as live:
        task = bar.add_task(what, total=None, rate="")

        def show(done: int, total: int, note: str = "") -> None:
            rate = f"{done / max(time.monotonic() - started, 1e-6):,.0f}/s"
            bar.update(task, completed=done, total=total, rate=rate)
            live.update(Group(bar, Text(note, no_wrap=True, overflow="ellipsis")))

        yield show


@contextmanager
def _plain_lines(what: str) -> Iterator[Progress]:
    started = time.monotonic()
    last_line, last_done = started, -1

    def show(done: int, total: int, note: str = "") -> None:
        nonlocal last_line, last_done
        now = time.monotonic()
        is_early = done < total and now - last_line < SECONDS_BETWEEN_LINES
        if is_early or done == last_done:  # the end may be told more than once
            return
        last_line, last_done = now, done
        line = progress_line(what, done, total, seconds=now - started, note=note)
        print(line, file=sys.stderr, flush=True)

    yield show


def progress_line(what: str, done: int, total: int, *, seconds: float, note: str) -> str:
    """One plain line: share, rate, time left, note."""
    rate = done / max(seconds, 1e-6)
    left = (total - done) / rate if rate else float("inf")
    eta = f"ETA {left:,.0f} s" if left != float("inf") else "ETA unknown"
    line = f"{what}: {done:,}/{total:,} ({done / max(total, 1):.0%}), {rate:,.0f}/s, {eta}"
    return f"{line}, {note}" if note else line
