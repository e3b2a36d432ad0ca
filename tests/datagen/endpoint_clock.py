"""An event loop whose clock leaps over every wait: an hour of pacing takes a moment."""

import asyncio
import selectors
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

_TURN_S = 1e-4

Result = TypeVar("Result")


class _LeapingSelector(selectors.DefaultSelector):
    """Never waits: the time that it was told to wait is added to its clock, and a bit a turn."""

    now_s = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits, and nothing is left that could wake them")
        self.now_s += max(timeout, _TURN_S)
        return super().select(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    """For code that waits by this loop's clock alone; a deadlock is an error."""

    def __init__(self) -> None:
        self._clock = _LeapingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s


def leaping(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end, without waiting."""
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(main)


async def together(coroutines: Iterable[Coroutine[Any, Any, Any]]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in coroutines:
            group.create_task(each)
