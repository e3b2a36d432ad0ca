"""Writing: one async step per row, run in waves until every row has an accepted pair."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from vargpt_datagen.journal import Journal
from vargpt_datagen.judging import Accepted, Answered, Rejected, judge
from vargpt_datagen.plan import Plan
from vargpt_datagen.printable import printable
from vargpt_datagen.reply import NotAskedError, Reply, Writer, last_reply
from vargpt_datagen.request import Request, RequestWriter
from vargpt_schema import UserError

# Requests are rendered, and answers judged, so many at a time: each step then finds its code and
# tables in the processor's cache, which saves about a quarter of the time of a row.
_BATCH = 64
_LONGEST_UNJUDGED_S = 1.0  # a slow endpoint's answers are judged one by one
# Judged candidates without one accepted row: the endpoint or model is wrong, and money is lost.
_HOPELESS = 100

Job = tuple[int, Request]  # a position of the plan and its request
Step = Callable[[Job], Coroutine[Any, Any, None]]
# How the steps of all jobs are run: one after the other, or many at once over an endpoint.
Drive = Callable[[Iterable[Job], Step], Awaitable[None]]


async def in_turn(jobs: Iterable[Job], step: Step) -> None:
    """Run one step after the other: for a writer that never waits."""
    for job in jobs:
        await step(job)


@dataclass(slots=True)
class Tally:
    """What has happened so far, for the display and the manifest."""

    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    replayed: int = 0  # replies taken from the journal
    asked: int = 0  # replies a writer gave in this run


# repr=False: asyncio.run asks a finished task for its repr, which would spell out every row.
@dataclass(slots=True, repr=False)
class Written:
    """All rows of a build, in row order, and what was dropped on the way, in wave order."""

    rows: list[Accepted]
    rejects: list[Rejected]
    tally: Tally
    num_open: int = 0  # rows without text, where nobody was asked


class RowWriting:
    """Writes the rows of one plan."""

    def __init__(
        self,
        *,
        plan: Plan,
        requests: RequestWriter,
        writer: Writer,
        journal: Journal,
        drive: Drive,
        on_progress: Callable[[Tally], None],
    ) -> None:
        self._plan = plan
        self._requests = requests
        self._writer = writer
        self._journal = journal
        self._drive = drive
        self._on_progress = on_progress
        self._asked: set[str] = set()  # requests of this run, by sha256
        self._judged_s = time.monotonic()
        self._last_detail = ""  # of the last reject
        self._num_started = 0  # requests that this run had to ask for
        self._num_asked_in_vain = 0  # of them, those that were rejected
        self.tally = Tally()

    async def write(self, num_rows: int) -> Written:
        """Fill rows 0 .. num_rows-1.

        When every open row has been judged, the failed ones in ascending order take the next
        spares, and so on. What is written depends on the plan and the replies alone, not on their
        order. UserError when the reserve is used up.
        """
        rows: list[Accepted | None] = [None] * num_rows
        rejects: list[Rejected] = []
        open_rows: Sequence[int] = range(num_rows)
        positions: Sequence[int] = range(num_rows)
        num_spares_used = 0
        while open_rows:
            outcomes = await self._judge_all(positions)
            failed: list[int] = []
            for row, position in zip(open_rows, positions, strict=True):
                outcome = outcomes.pop(position, None)  # None: nobody was asked
                if isinstance(outcome, Accepted):
                    rows[row] = outcome
                elif outcome:
                    rejects.append(outcome)
                    failed.append(row)
            positions = self._next_spares(num_spares_used, len(failed))
            num_spares_used += len(failed)
            open_rows = failed
        found = [row for row in rows if row is not None]
        return Written(found, rejects, self.tally, num_open=num_rows - len(found))

    async def _judge_all(self, positions: Sequence[int]) -> dict[int, Accepted | Rejected]:
        outcomes: dict[int, Accepted | Rejected] = {}
        answered: list[Answered] = []
        repeats: list[Job] = []

        def step(look_up: bool) -> Step:
            async def answer_and_judge(job: Job) -> None:
                try:
                    answered.append(await self._answer(*job, look_up=look_up))
                except NotAskedError:
                    return
                now_s = time.monotonic()
                if len(answered) >= _BATCH or now_s - self._judged_s > _LONGEST_UNJUDGED_S:
                    self._judged_s = now_s
                    self._judge(answered, outcomes)
                    await asyncio.sleep(0)  # a writer that never waits must still let Ctrl-C in

            return answer_and_judge

        jobs = self._first_asked(self._rendered(positions), repeats)
        await self._drive(jobs, step(look_up=not self._journal.was_empty))
        if repeats:
            self._journal.index()
            await in_turn(repeats, step(look_up=True))
        self._judge(answered, outcomes)
        return outcomes

    def _first_asked(
        self, rendered: Iterator[tuple[int, Request]], repeats: list[tuple[int, Request]]
    ) -> Iterator[tuple[int, Request]]:
        """Requests not made before in this run; the others go to `repeats`.

        Two rows may have one request, byte for byte. It is paid once, and both read its reply.
        """
        for position, request in rendered:
            if request.sha256 in self._asked:
                repeats.append((position, request))
            else:
                self._asked.add(request.sha256)
                yield position, request

    def _rendered(self, positions: Sequence[int]) -> Iterator[tuple[int, Request]]:
        """Positions with their requests, rendered ahead by a batch."""
        for start in range(0, len(positions), _BATCH):
            batch = positions[start : start + _BATCH]
            requests = [self._requests.request(self._plan.row(position)) for position in batch]
            yield from zip(batch, requests, strict=True)

    def _judge(self, answered: list[Answered], outcomes: dict[int, Accepted | Rejected]) -> None:
        """Judge what has been answered since the last time."""
        for each in answered:
            outcome = outcomes[each.position] = judge(each)
            if isinstance(outcome, Accepted):
                self.tally.accepted += 1
            else:
                self.tally.rejected[outcome.reason] += 1
                self._last_detail = outcome.detail
                self._num_asked_in_vain += each.was_asked
                self._expect_hope()
        answered.clear()
        self._on_progress(self.tally)

    def _expect_hope(self) -> None:
        # Refusals come back at once: they say nothing while the others are still being answered.
        enough = max(_HOPELESS, self._num_started / 2)
        if self.tally.accepted or self._num_asked_in_vain < enough:
            return
        raise UserError(
            f"not one usable reply in {self._num_asked_in_vain} ({self._reasons()}). What has "
            "arrived is kept. Mend the endpoint and run the same command, or try another --model "
            "in a new folder with --rows 10."
        )

    def _reasons(self) -> str:
        counts = sorted(self.tally.rejected.items(), key=lambda item: (-item[1], item[0]))
        names = ", ".join(f"{name} {count}" for name, count in counts)
        return f"rejects: {names}; the last: {printable(self._last_detail)[:200]}"

    async def _answer(self, position: int, request: Request, *, look_up: bool) -> Answered:
        """The step: one request to a reply that holds a pair, or to its last attempt."""
        known = self._journal.replies(request.sha256) if look_up else []

        async def ask(attempt: int) -> Reply:
            self._num_started += attempt == len(known) + 1
            reply = await self._writer.complete(request.body)
            self._journal.add(request.sha256, attempt, reply)  # before it is used
            self.tally.asked += 1
            return reply

        reply, found, attempts = await last_reply(known, ask)
        self.tally.replayed += min(attempts, len(known))
        return Answered(position, request, reply, found, attempts, attempts > len(known))

    def _next_spares(self, used: int, wanted: int) -> list[int]:
        try:
            return [self._plan.spare_position(used + number) for number in range(wanted)]
        except IndexError:
            raise UserError(
                f"captions: all {self._plan.num_spares} spare captions are used up and {wanted} "
                f"rows are still without text ({self._reasons()}). Give more captions, "
                "fewer --rows, or another model."
            ) from None
