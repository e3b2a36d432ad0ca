"""The pacer: finds how many requests a second an endpoint takes.

No limit is assumed until one shows. A share of refusals (HTTP 429) above a tenth means that there
is one: the rate of the successes becomes the rate of the starts, and then creeps up to find what
more is allowed. A smaller share is noise, which must not slow anything down.
"""

import math
from typing import Literal

Outcome = Literal["answered", "busy", "failed"]

WINDOW_S = 0.5
_FEWEST_OUTCOMES = 20  # of a window; fewer say nothing about a share
_LIMITED_SHARE = 0.10
_SLOWEST_PER_S = 1.0
_GROWTH_QUIET, _GROWTH = 1.06, 1.03  # of the rate in a window with few, with some refusals
_QUIET_SHARE = 0.01
_HALVING_S = 2.0  # between two halvings while there is no success to go by


class Pacer:
    """A rate of starts per second, inf until a limit has shown. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.rate_per_s = math.inf
        self._next_start = 0.0
        self._has_bound = False  # the rate held something back in this window
        self._window_start: float | None = None
        self._counts: dict[Outcome, int] = {"answered": 0, "busy": 0, "failed": 0}
        self._halved_at = -math.inf

    def wait_s(self, now: float) -> float:
        """Seconds until the rate allows another start; 0 when it does."""
        if self._next_start <= now:
            return 0.0
        self._has_bound = True
        return self._next_start - now

    def started(self, now: float) -> None:
        """Count one start."""
        if self._window_start is None:
            self._window_start = now
        if self.rate_per_s < math.inf:
            # A late timer is made up for, but never by more than a window's worth of starts.
            base = max(self._next_start, now - min(WINDOW_S, 2 / self.rate_per_s))
            self._next_start = base + 1 / self.rate_per_s

    def ended(self, outcome: Outcome, now: float) -> None:
        """Count how one start ended, and set the rate anew at the end of a window."""
        if self._window_start is None:
            self._window_start = now
        self._counts[outcome] += 1
        seconds = now - self._window_start
        if seconds >= WINDOW_S and sum(self._counts.values()) >= _FEWEST_OUTCOMES:
            self._adjust(seconds, now)
            self._window_start = now
            self._counts = {"answered": 0, "busy": 0, "failed": 0}
            self._has_bound = False

    def _adjust(self, seconds: float, now: float) -> None:
        answered, busy = self._counts["answered"], self._counts["busy"]
        share = busy / sum(self._counts.values())
        if share > _LIMITED_SHARE and answered:
            self._set_rate(answered / seconds, now)
        elif share > _LIMITED_SHARE:
            # Nothing has come back yet, so there is no rate to take over.
            if now - self._halved_at >= _HALVING_S:
                self._halved_at = now
                self._set_rate(min(self.rate_per_s, busy / seconds) / 2, now)
        elif self._has_bound:
            growth = _GROWTH_QUIET if share <= _QUIET_SHARE else _GROWTH
            self._set_rate(self.rate_per_s * growth, now)

    def _set_rate(self, rate_per_s: float, now: float) -> None:
        self.rate_per_s = max(rate_per_s, _SLOWEST_PER_S)
        self._next_start = max(self._next_start, now)
        self._next_start = min(self._next_start, now + 1 / self.rate_per_s)
