"""The gate: every send passes it, when a slot is free and the pace allows."""

import asyncio
from collections import deque

from vargpt_datagen.endpoint.pacer import Outcome, Pacer

# The number of slots grows from the first to the ceiling, doubling, so that an endpoint with a
# low limit is not met by thousands of requests at once.
_FIRST_SLOTS = 64
_DOUBLING_S = 0.25
_MOST_DOUBLINGS = 20
_TIMER_S = 0.001  # a timer may be so late, which is a lot where requests must be evenly spaced
_PROBES = 8  # slots until the first answer, where more could cost more than is allowed


class Gate:
    """Slots and pace of one endpoint. Who was turned away comes before who has not been yet."""

    def __init__(self, ceiling: int, *, probes: bool = False) -> None:
        self.ceiling = ceiling
        self.pacer = Pacer()
        self.in_flight = 0
        self._probes = probes
        self._slots = min(_PROBES if probes else _FIRST_SLOTS, ceiling)
        self._opened_at: float | None = None
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._opening: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._paused = 0
        self._stopped_by: Exception | None = None
        self._is_stopped = asyncio.Event()

    @staticmethod
    def now() -> float:
        """Monotonic seconds, which no change of the clock touches."""
        return asyncio.get_running_loop().time()

    async def wait_stopped(self) -> None:
        await self._is_stopped.wait()

    async def enter(self) -> int:
        """Take a slot, waiting for one in turn; its number, to be given to `leave`.

        Raises what the gate was stopped with.
        """
        self.expect_open()
        now = self.now()
        if not self._waiting and self._wait_s(now) == 0:
            return self._take(now)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.in_flight -= 1  # it was let in, and will not come
                self._admit()
            raise

    def leave(self, number: int, outcome: Outcome) -> None:
        """Give the slot back."""
        self.in_flight -= 1
        self.pacer.ended(number, outcome, self.now())
        if self._probes and outcome == "answered":
            self._probes = False
            self._opened_at = self.now()
        self._admit()

    async def opening(self) -> None:
        """Wait until a new row may enter at once; raises what the gate was stopped with."""
        self.expect_open()
        while not self._may_open(self.now()):
            self._opening = opening = asyncio.get_running_loop().create_future()
            self._admit()
            await opening
            self.expect_open()

    async def pause(self, seconds: float) -> None:
        """Wait outside, without a slot; raises what the gate was stopped with meanwhile."""
        self._paused += 1
        try:
            async with asyncio.timeout(seconds):
                await self._is_stopped.wait()
        except TimeoutError:
            return
        finally:
            self._paused -= 1
            self._admit()
        self.expect_open()

    def expect_open(self) -> None:
        """Raise what the gate was stopped with, if it was."""
        if self._stopped_by:
            raise self._stopped_by

    def stop(self, reason: Exception) -> None:
        """Let nobody in any more; the first reason counts. What is in flight may come back."""
        if self._stopped_by is None:
            self._stopped_by = reason
            self._is_stopped.set()
            while self._waiting:
                turn = self._waiting.popleft()
                if not turn.done():
                    turn.set_exception(reason)
            self._open()

    def _may_open(self, now: float) -> bool:
        # Rows in a pause hold no slot, so their number needs a limit of its own.
        return not self._waiting and self._paused < self.ceiling and self._wait_s(now) == 0

    def _wait_s(self, now: float) -> float:
        """Seconds until the next may enter; inf when a slot must become free first."""
        if self.in_flight < self._slots_at(now):
            return self.pacer.wait_s(now)
        if self._slots < self.ceiling and not self._probes:
            return _DOUBLING_S  # or earlier, when one leaves
        return float("inf")

    def _slots_at(self, now: float) -> int:
        if self._slots < self.ceiling and self._opened_at is not None and not self._probes:
            doublings = min((now - self._opened_at) / _DOUBLING_S, _MOST_DOUBLINGS)
            self._slots = int(min(self.ceiling, _FIRST_SLOTS * 2**doublings))
        return self._slots

    def _take(self, now: float) -> int:
        if self._opened_at is None:
            self._opened_at = now
        self.in_flight += 1
        return self.pacer.started(now)

    def _admit(self) -> None:
        """Let in who may enter now, and set a timer for who may later."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._waiting and self._wait_s(now) == 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(self._take(now))
        if self._may_open(now):
            self._open()
        elif (self._waiting or self._opening) and self._timer is None:
            wait_s = self._wait_s(now)
            if 0 < wait_s < float("inf"):
                early_s = _TIMER_S if self.pacer.is_even else 0.0
                # The rest is waited for in turns of the loop.
                self._timer = loop.call_later(max(wait_s - early_s, 0.0), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._admit()

    def _open(self) -> None:
        if self._opening and not self._opening.done():
            self._opening.set_result(None)
        self._opening = None
