"""The pacer: finds how many requests a second an endpoint takes.

No limit is assumed until one shows. A share of refusals (HTTP 429) clearly above a tenth means that
there is one: the rate of starts that were not refused becomes the rate of starts, and then creeps
up to find what more is allowed. A smaller share is noise, which must not slow anything down; and so
is a larger one that stays the same when the rate is cut.

Everything is counted per start: a refusal comes at once and an answer seconds later, so answers say
nothing yet when refusals have said it all.
"""

import math
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["answered", "busy", "failed"]

WINDOW_S = 0.5
_FEWEST_STARTS = 20  # of a window; fewer say nothing about a share
_FEWEST_QUIET_STARTS = 5  # of a window without a refusal
_LIMITED_SHARE = 0.10  # above what is noise
_SIGMAS = 2.0  # so much more before it counts: 5 of 20, 16 of 100
_SLOWEST_PER_S = 0.05
_QUIET_SHARE = 0.01  # above what is noise
_GROWTH = 1.03  # of the rate in a window with some refusals
_QUIET_GROWTH = (1.06, 1.06, 1.06, 1.12, 1.25, 1.5)  # with hardly any, by windows in a row
_LARGEST_CUT = 0.8  # of a rate that has been found once: a bad half second proves little
_CLEARLY_LOWER = 0.75  # of the rate that met the refusals: there a limit must show in their share
_STARTS_TO_TELL = 60


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
        self._noise_share = 0.0  # refused at any rate
        self._suspect: _Suspect | None = None

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
        if is_over or (is_first and self._is_limited()):
            self._adjust(max(seconds, WINDOW_S), now)
            self._window_start = now
            self._starts = self._busy = 0
            self._has_bound = False

    def _is_limited(self) -> bool:
        """More refusals in this window than noise explains."""
        share = min(self._noise_share + _LIMITED_SHARE, 1.0)
        spread = math.sqrt(self._starts * share * (1 - share))
        return self._busy > self._starts * share + _SIGMAS * spread

    def _adjust(self, seconds: float, now: float) -> None:
        share = min(self._busy / self._starts, 1.0) if self._starts else 0.0
        if self._is_noise_after_all():
            assert self._suspect
            self._noise_share = self._suspect.share_below
            self._set_rate(self._suspect.rate_per_s, now)
            self._suspect = None
            return
        if self._is_limited():
            self._quiet_windows = 0
            self._cut(share, seconds, now)
            return
        if share < self._noise_share:
            self._noise_share += 0.1 * (share - self._noise_share)
        if not self._has_bound:
            return
        if share <= self._noise_share + _QUIET_SHARE:
            growth = _QUIET_GROWTH[min(self._quiet_windows, len(_QUIET_GROWTH) - 1)]
            self._quiet_windows += 1
            self._set_rate(self.rate_per_s * growth, now)
        else:
            self._quiet_windows = 0
            self._set_rate(self.rate_per_s * _GROWTH, now)

    def _cut(self, share: float, seconds: float, now: float) -> None:
        taken_per_s = max(self._starts - self._busy, 0) / seconds
        if self.rate_per_s < math.inf:
            if self._suspect is None:
                self._suspect = _Suspect(self.rate_per_s, share)
            taken_per_s = min(max(taken_per_s, _LARGEST_CUT * self.rate_per_s), self.rate_per_s)
        self._set_rate(taken_per_s, now)

    def _is_noise_after_all(self) -> bool:
        """Whether refusals at a clearly lower rate are as many as a limit would not explain."""
        suspect = self._suspect
        if suspect is None or self.rate_per_s > _CLEARLY_LOWER * suspect.rate_per_s:
            return False
        suspect.starts_below += self._starts
        suspect.busy_below += self._busy
        if suspect.starts_below < _STARTS_TO_TELL:
            return False
        taken_per_s = suspect.rate_per_s * (1 - suspect.share)
        lower_per_s = _CLEARLY_LOWER * suspect.rate_per_s
        share_if_limited = max(1 - taken_per_s / lower_per_s, 0.0)
        is_noise = suspect.share_below > (suspect.share + share_if_limited) / 2
        if not is_noise:
            self._suspect = None  # it was a limit
        return is_noise

    def _set_rate(self, rate_per_s: float, now: float) -> None:
        self.rate_per_s = max(rate_per_s, _SLOWEST_PER_S)
        self._next_start = min(max(self._next_start, now), now + 1 / self.rate_per_s)


@dataclass(slots=True)
class _Suspect:
    """A rate that met too many refusals, and what came of lower ones."""

    rate_per_s: float
    share: float
    starts_below: int = 0
    busy_below: int = 0

    @property
    def share_below(self) -> float:
        return min(self.busy_below / self.starts_below, 1.0)
