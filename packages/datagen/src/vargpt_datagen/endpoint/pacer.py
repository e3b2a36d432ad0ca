"""The pacer: finds how many requests a second an endpoint takes.

No limit is assumed until one shows: a share of refusals (HTTP 429) clearly above a tenth. Then a
second at a high rate tells what is taken, and from there the rate is raised step by step. A step
that meets more refusals is taken back; where the limit has been met, steps are halves of what is
left, and beyond it they become rare. Refusals that are as many at any rate are noise, which must
not slow anything down.

Everything is counted per start, and each window counts its own starts only: a refusal comes at once
and an answer seconds later, so answers say nothing yet when refusals have said it all.
"""

import math
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["answered", "busy", "failed"]

WINDOW_S = 0.5
_FEWEST_STARTS = 20  # of a window; fewer say nothing about a share
_FEWEST_QUIET_STARTS = 5  # of a window without a refusal
_FEWEST_OF_A_STEP = 8  # of a step that may be ended early
_LIMITED_SHARE = 0.10  # above what is noise: there is a limit
_LIMITED_SIGMAS = 2.0  # so much more before it counts: 5 of 20, 16 of 100
_QUIET_SHARE = 0.03  # above what is noise: the rate is taken
_QUIET_SIGMAS = 1.0  # so much more is still quiet: 1 of 20, 4 of 100
_LEARNT_SHARE = 0.05  # of refusals that count as noise without a test
_MOST_NOISE_SHARE = 0.4
_SLOWEST_PER_S = 0.05
_SEARCH_S = 1.0  # to find out what is taken; some endpoints count by whole seconds
_SEARCH_PER_S = 256.0  # at least, in that time
_STEPS = (1.02, 1.03, 1.06, 1.06, 1.12, 1.12, 1.12, 1.25)  # one a window while all goes well
_SMALLEST_STEP = 1.02
_STEPS_AFTER_CUT = 2  # are left out: what was found lies below the limit rather than above
_LONGEST_REST = 32  # windows between two steps that go beyond a limit met before
_LARGEST_CUT = 0.8  # of a rate that has been taken once
_CLEARLY_LOWER = 0.75  # of the rate that met the refusals: there a limit must show in their share
_STARTS_TO_TELL = 60
# Up to this rate an endpoint may want requests evenly spaced. Beyond, a late start is made up for
# by earlier ones after it.
_EVEN_PER_S = 200.0


class Pacer:
    """A rate of starts per second, inf until a limit has shown. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.rate_per_s = math.inf
        self._next_start = -math.inf
        self._has_bound = False  # the rate held something back in this window
        self._window_start = math.nan
        self._first = 1  # number of this window's first start; they count from 1
        self._started = 0
        self._busy = 0  # of this window's starts
        self._given_back = 0  # number of the start that took the turn of a refused one
        self._is_searching = False  # at a rate that is only a guess
        self._taken_per_s = 0.0  # the highest rate that met no more refusals than usual; 0: none
        self._refused_per_s = math.inf  # a rate that did
        self._is_doubtful = False  # a rate that was taken until the last window
        self._num_steps = 0  # that went well, in a row
        self._rest = 0  # windows between two steps
        self._rested = 0
        self._noise_share = 0.0  # refused at any rate
        self._suspect: _Suspect | None = None

    @property
    def is_even(self) -> bool:
        """Whether starts are to be evenly spaced, so that none comes early after a late one."""
        return self.rate_per_s <= _EVEN_PER_S

    def wait_s(self, now: float) -> float:
        """Seconds until the rate allows another start; 0 when it does."""
        if self._next_start <= now:
            return 0.0
        self._has_bound = True
        return self._next_start - now

    def started(self, now: float) -> int:
        """Count one start; its number, by which `ended` knows it."""
        if math.isnan(self._window_start):
            self._window_start = now
        self._started += 1
        if self.rate_per_s < math.inf:
            spacing_s = 1 / self.rate_per_s
            base = now if self.is_even else max(self._next_start, now - 1.5 * spacing_s)
            self._next_start = base + spacing_s
        return self._started

    def ended(self, number: int, outcome: Outcome, now: float) -> None:
        """Count how one start ended, and set the rate anew at the end of a window."""
        if outcome == "busy":
            self._busy += number >= self._first
            self._give_back(number, now)
        if self.rate_per_s == math.inf and self._busy >= _FEWEST_STARTS and self._is_limited():
            # At once, before thousands have been turned away.
            self._is_searching = True
            self._set_rate(max(_SEARCH_PER_S, (self._starts - self._busy) / WINDOW_S), now)
        seconds = now - self._window_start
        if self._is_over(seconds):
            if self.rate_per_s < math.inf:
                self._adjust(seconds, now)
            self._window_start = now
            self._first = self._started + 1
            self._busy = 0
            self._has_bound = False

    def _is_over(self, seconds: float) -> bool:
        if self._is_step and self._starts >= _FEWEST_OF_A_STEP and self._is_limited():
            return True
        needed = _FEWEST_STARTS if self._busy else _FEWEST_QUIET_STARTS
        window_s = _SEARCH_S if self._is_searching else WINDOW_S
        return seconds >= window_s and self._starts >= needed

    @property
    def _starts(self) -> int:
        return self._started + 1 - self._first

    @property
    def _share(self) -> float:
        return min(self._busy / self._starts, 1.0) if self._starts else 0.0

    @property
    def _is_step(self) -> bool:
        """Whether this rate is an attempt beyond one that is known to be taken."""
        return 0 < self._taken_per_s < self.rate_per_s

    def _give_back(self, number: int, now: float) -> None:
        """A start that was turned away did not count, so the next may follow at once, and once."""
        if number == self._started and number != self._given_back:
            self._given_back = number + 1
            self._next_start = min(self._next_start, now)

    def _is_limited(self) -> bool:
        return self._is_above(_LIMITED_SHARE, _LIMITED_SIGMAS)

    def _is_above(self, share: float, sigmas: float) -> bool:
        """Whether this window's refusals are more than noise and `share` explain."""
        share = min(self._noise_share + share, 1.0)
        spread = math.sqrt(self._starts * share * (1 - share))
        return self._busy > self._starts * share + sigmas * spread

    def _adjust(self, seconds: float, now: float) -> None:
        if self._is_noise_after_all():
            assert self._suspect
            self._noise_share = self._suspect.share_below
            self._forget_limit()
            self._set_rate(self._suspect.rate_per_s, now)
            self._suspect = None
        elif self._is_step and self._is_above(_QUIET_SHARE, _QUIET_SIGMAS):
            self._step_back(now)
        elif self._is_limited():
            if self._is_doubtful or not self._taken_per_s:
                self._cut(seconds, now)
            self._is_doubtful = not self._is_doubtful and self._taken_per_s > 0
        else:
            self._is_searching = self._is_doubtful = False
            self._learn_noise()
            if not self._is_above(_QUIET_SHARE, _QUIET_SIGMAS):
                self._suspect = None
                if self._has_bound:
                    self._step(now)
            else:
                self._num_steps = self._rested = 0

    def _step(self, now: float) -> None:
        """Raise a rate that is taken, if it is time."""
        if self.rate_per_s > self._taken_per_s:
            self._taken_per_s = self.rate_per_s
            if self._taken_per_s >= self._refused_per_s:
                self._refused_per_s, self._rest = math.inf, 0
        if self._rested < self._rest:
            self._rested += 1
            return
        self._rested = 0
        rate_per_s = self.rate_per_s * _STEPS[min(self._num_steps, len(_STEPS) - 1)]
        self._num_steps += 1
        if rate_per_s >= self._refused_per_s:
            half_way = (self.rate_per_s + self._refused_per_s) / 2
            rate_per_s = max(half_way, _SMALLEST_STEP * self.rate_per_s)
        self._set_rate(rate_per_s, now)

    def _step_back(self, now: float) -> None:
        self._num_steps = self._rested = 0
        self._refused_per_s = self.rate_per_s
        if self.rate_per_s < 1.001 * _SMALLEST_STEP * self._taken_per_s:
            self._rest = min(2 * self._rest or 2, _LONGEST_REST)
        self._set_rate(self._taken_per_s, now)

    def _cut(self, seconds: float, now: float) -> None:
        """Lower a rate that is not taken, or not any more."""
        rate_per_s = self.rate_per_s
        if self._suspect is None:
            self._suspect = _Suspect(rate_per_s, self._share)
        self._forget_limit()
        self._refused_per_s = rate_per_s
        taken_per_s = max(self._starts - self._busy, 0) / seconds
        if self._is_searching:
            taken_per_s = max(taken_per_s, 0.1 * rate_per_s)
            # Each one that was taken came half a spacing late on average.
            taken_per_s /= 1 - taken_per_s / (2 * rate_per_s)
            taken_per_s = min(taken_per_s, _LARGEST_CUT * rate_per_s)
        else:
            taken_per_s = min(max(taken_per_s, _LARGEST_CUT * rate_per_s), rate_per_s)
        self._num_steps = _STEPS_AFTER_CUT
        self._set_rate(taken_per_s, now)

    def _forget_limit(self) -> None:
        self._taken_per_s, self._refused_per_s = 0.0, math.inf
        self._num_steps = self._rest = self._rested = 0

    def _learn_noise(self) -> None:
        share = min(self._share, max(_LEARNT_SHARE, self._noise_share))
        self._noise_share += 0.1 * (share - self._noise_share)

    def _is_noise_after_all(self) -> bool:
        """Whether refusals at a clearly lower rate are as many as a limit would not explain."""
        suspect = self._suspect
        if suspect is None or self.rate_per_s > _CLEARLY_LOWER * suspect.rate_per_s:
            return False
        suspect.starts_below += self._starts
        suspect.busy_below += self._busy
        if suspect.share > _MOST_NOISE_SHARE or suspect.starts_below < _STARTS_TO_TELL:
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
