"""The pacer: finds how many requests a second an endpoint takes.

No limit is assumed until one shows. A share of refusals (HTTP 429) above a tenth means that there
is one: the rate of starts that were not refused becomes the rate of starts, and then creeps up to
find what more is allowed. A smaller share is noise, which must not slow anything down.

Everything is counted per start: a refusal comes at once and an answer seconds later, so answers say
nothing yet when refusals have said it all.
"""

import math
from typing import Literal

Outcome = Literal["answered", "busy", "failed"]

WINDOW_S = 0.5
_FEWEST_STARTS = 20  # of a window; fewer say nothing about a share
_FEWEST_QUIET_STARTS = 5  # of a window without a refusal
_LIMITED_SHARE = 0.10
_SLOWEST_PER_S = 1.0
_QUIET_SHARE = 0.01
_GROWTH = 1.03  # of the rate in a window with some refusals
_QUIET_GROWTH = (1.06, 1.06, 1.06, 1.12, 1.25, 1.5)  # with hardly any, by windows in a row
_LARGEST_CUT = 0.8  # of a rate that has been found once: a bad half second proves little


class Pacer:
    """A rate of starts per second, inf until a limit has shown. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.rate_per_s = math.inf
        self._next_start = -math.inf
        self._has_bound = False  # the rate held something back in this window
        self._window_start = math.nan
        self._starts = 0
        self._busy = 0
        self._quiet_windows = 0  # in a row

    def wait_s(self, now: float) -> float:
        """Seconds until the rate allows another start; 0 when it does."""
        if self._next_start <= now:
            return 0.0
        self._has_bound = True
        return self._next_start - now

    def started(self, now: float) -> None:
        """Count one start."""
        if math.isnan(self._window_start):
            self._window_start = now
        self._starts += 1
        if self.rate_per_s < math.inf:
            # A late timer is made up for, but by no more than a start or two.
            base = max(self._next_start, now - 1.5 / self.rate_per_s)
            self._next_start = base + 1 / self.rate_per_s

    def ended(self, outcome: Outcome, now: float) -> None:
        """Count how one start ended, and set the rate anew at the end of a window."""
        self._busy += outcome == "busy"
        seconds = now - self._window_start
        needed = _FEWEST_STARTS if self._busy else _FEWEST_QUIET_STARTS
        is_over = seconds >= WINDOW_S and self._starts >= needed
        # The first limit to show is acted upon at once, before thousands have been turned away.
        is_first = self.rate_per_s == math.inf and self._busy >= _FEWEST_STARTS
        if is_over or (is_first and self._busy > _LIMITED_SHARE * self._starts):
            self._adjust(max(seconds, WINDOW_S), now)
            self._window_start = now
            self._starts = self._busy = 0
            self._has_bound = False

    def _adjust(self, seconds: float, now: float) -> None:
        share = self._busy / self._starts if self._starts else 0.0
        if share > _LIMITED_SHARE:
            self._quiet_windows = 0
            taken_per_s = max(self._starts - self._busy, 0) / seconds
            if self.rate_per_s < math.inf:
                taken_per_s = min(max(taken_per_s, _LARGEST_CUT * self.rate_per_s), self.rate_per_s)
            self._set_rate(taken_per_s, now)
        elif self._has_bound and share <= _QUIET_SHARE:
            growth = _QUIET_GROWTH[min(self._quiet_windows, len(_QUIET_GROWTH) - 1)]
            self._quiet_windows += 1
            self._set_rate(self.rate_per_s * growth, now)
        elif self._has_bound:
            self._quiet_windows = 0
            self._set_rate(self.rate_per_s * _GROWTH, now)

    def _set_rate(self, rate_per_s: float, now: float) -> None:
        self.rate_per_s = max(rate_per_s, _SLOWEST_PER_S)
        self._next_start = min(max(self._next_start, now), now + 1 / self.rate_per_s)
