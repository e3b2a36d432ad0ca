"""Dispatching: rows are started one by one as the gate opens; what comes back is read first.

One dispatcher starts all rows and, after each start, lets the event loop turn three times: replies
that have arrived are read and journalled before the next request is sent. With a task per slot
every reply would at once cause a send, replies would pile up in socket buffers, and a kill would
lose them.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from vargpt_datagen.endpoint.gate import Gate

Job = TypeVar("Job")

_TURNS = 3
GRACE_S = 60.0  # for replies in flight when the run has to stop: they are paid already


async def dispatch(
    jobs: Iterable[Job], step: Callable[[Job], Coroutine[Any, Any, None]], gate: Gate
) -> None:
    """Run the step of every job; raises what stopped the gate, be it a step's error."""
    tasks = _Tasks(gate)
    try:
        try:
            for job in jobs:
                await gate.opening()
                tasks.start(step(job))
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
        except Exception as error:
            gate.stop(error)  # the first reason counts, and may be another
        await tasks.finish()
    finally:
        await tasks.cancel()
    gate.expect_open()


class _Tasks:
    """The steps that have begun and not ended."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._tasks: set[asyncio.Task[None]] = set()
        self._are_done = asyncio.Event()
        self._are_done.set()

    def start(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(step)
        self._tasks.add(task)
        self._are_done.clear()
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self._are_done.set()
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._gate.stop(error)

    async def finish(self) -> None:
        """Wait for all; once the gate has stopped, only for what is paid and on its way."""
        done = asyncio.create_task(self._are_done.wait())
        stopped = asyncio.create_task(self._gate.wait_stopped())
        try:
            await asyncio.wait((done, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not done.done():
                in_flight = self._gate.in_flight
                if in_flight:
                    print(
                        f"stopping; waiting up to {GRACE_S:.0f} s for {in_flight:,} replies",
                        file=sys.stderr,
                        flush=True,
                    )
                await asyncio.wait((done,), timeout=GRACE_S)
        finally:
            done.cancel()
            stopped.cancel()

    async def cancel(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
