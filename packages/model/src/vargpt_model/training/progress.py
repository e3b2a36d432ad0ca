"""Progress of long work on stderr, in plain lines: share, rates, time left, news."""

import sys
import time

SECONDS_BETWEEN_LINES = 5.0


class Progress:
    """Counts from where the work stands, so that a resumed run's rate is its own."""

    def __init__(self, what: str, *, done: int, total: int, unit: str) -> None:
        self.what = what
        self.total = total
        self.unit = unit
        self._start = done
        self._started_s = self._last_line_s = time.monotonic()

    def show(self, done: int, note: str = "") -> None:
        """Print a line when five seconds have passed or the work has ended."""
        now = time.monotonic()
        if now - self._last_line_s < SECONDS_BETWEEN_LINES and done < self.total:
            return
        self._last_line_s = now
        per_s = (done - self._start) / max(now - self._started_s, 1e-6)
        eta = f"ETA {(self.total - done) / per_s:,.0f} s" if per_s else "ETA unknown"
        parts = [
            f"{self.what}: {done:,}/{self.total:,} ({done / max(self.total, 1):.0%})",
            f"{per_s:,.1f} {self.unit}/s",
        ]
        parts.append(eta)
        print(", ".join([*parts, note] if note else parts), file=sys.stderr, flush=True)
