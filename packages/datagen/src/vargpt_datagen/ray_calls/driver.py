"""The driver: rows are planned, judged and journalled here, and asked for by callers elsewhere.

Actors of Ray are called directly and not through Ray Data, which hands results over a block at a
time and makes the whole block of a dead worker again: its calls would be paid twice.
"""

import asyncio
import dataclasses
import hashlib
import sys
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from vargpt_datagen.endpoint.address import Endpoint
from vargpt_datagen.folder import BuildFolder
from vargpt_datagen.journal import Journal
from vargpt_datagen.ray_calls.caller import Answer, Caller, CallerConfig, News, Question, Wanted
from vargpt_datagen.ray_calls.journals import caller_journal, remove_caller
from vargpt_datagen.ray_calls.leases import Leases
from vargpt_datagen.reply import Reply, is_answered
from vargpt_datagen.request import MAX_OUTPUT_TOKENS
from vargpt_datagen.writer_config import OFFLINE, WriterConfig
from vargpt_datagen.writing import Job, Step
from vargpt_schema import UserError

_QUESTIONS_A_CALL = 64
_AHEAD = 1.25  # questions at a caller, as a multiple of what it may have in flight
_FREE_IN_FLIGHT = 512  # of the offline writer, which never waits
_RESTART_S = 120.0  # for a dead caller to come back, until others get its questions
_PING_S = 1.0


class ArrivedReplies:
    """The writer of the driver: gives the replies that callers have handed over."""

    def __init__(self) -> None:
        self._replies: dict[str, deque[Reply]] = {}

    def put(self, answer: Answer) -> None:
        self._replies[answer.request_sha256] = deque(answer.replies)

    async def complete(self, body: bytes) -> Reply:
        """The next reply to a request of which an answer has arrived."""
        request_sha256 = hashlib.sha256(body).hexdigest()
        replies = self._replies[request_sha256]
        reply = replies.popleft()
        if not replies:
            del self._replies[request_sha256]
        return reply


class CallsConfig(NamedTuple):
    """What callers share."""

    endpoint: Endpoint | None  # None: the offline writer
    config: WriterConfig
    num_callers: int


class _Remote:
    """One caller as the driver sees it."""

    def __init__(self, number: int, actor: Any, in_flight: int) -> None:
        self.number = number
        self.actor = actor
        self.most_questions = max(int(in_flight * _AHEAD), in_flight + 1)
        self.asked: dict[str, Job] = {}  # by request, without an answer so far
        self.uncertain_usd = 0.0
        self.lost_usd = 0.0  # at worst, of what was asked when it died
        self.busy = 0
        self.failed = 0
        self.is_alive = True


class RayCalls:
    """Callers on a cluster, and the money they share."""

    def __init__(self, calls: CallsConfig, folder: BuildFolder, journal: Journal) -> None:
        self._calls = calls
        self._folder = folder
        self._journal = journal
        self.arrived = ArrivedReplies()
        self._room = asyncio.Event()
        self._collecting: list[asyncio.Task[None]] = []
        self._step: Step | None = None
        self._stopped: UserError | None = None
        self._denied: UserError | None = None  # no money was left for a request
        self._is_closing = False
        self._noted_usd = 0.0
        tariff = calls.endpoint.tariff if calls.endpoint else None
        self._worst_usd: Callable[[Job], float] | None = None
        if tariff:
            self._worst_usd = lambda job: tariff.peak.cost_usd(
                prompt_tokens=len(job[1].body),
                cached_tokens=0,
                output_tokens=MAX_OUTPUT_TOKENS,
            )
        self._url = calls.endpoint.url if calls.endpoint else OFFLINE
        max_usd = calls.config.max_usd
        self._leases = None if max_usd is None else Leases(max_usd, journal.spent_usd())
        self._callers = [self._started(number) for number in range(calls.num_callers)]

    def _started(self, number: int) -> _Remote:
        import ray

        total = _FREE_IN_FLIGHT if self._calls.endpoint is None else self._calls.config.in_flight
        count = self._calls.num_callers
        share = total // count + (number < total % count)
        config = CallerConfig(
            endpoint=self._calls.endpoint,
            config=dataclasses.replace(self._calls.config, in_flight=max(share, 1)),
            work_dir=self._folder.work_dir.absolute(),
            replies_per_commit=1 if self._calls.endpoint else 1_000,
        )
        remote: Any = ray.remote(Caller)
        actor = remote.options(
            num_cpus=0,  # it waits for the network most of its time
            max_restarts=-1,
            max_task_retries=0,  # what was asked of a dead caller is asked again by the driver
            max_concurrency=1_000,
            scheduling_strategy="SPREAD",
        ).remote(number, config)
        return _Remote(number, actor, share)

    async def drive(self, jobs: Iterable[Job], step: Step) -> None:
        """Have every job asked for, and run its step when its replies have arrived."""
        self._step = step
        if not self._collecting:
            self._collecting = [asyncio.create_task(self._collect(each)) for each in self._callers]
        await self._dispatch(jobs, step)
        while any(caller.asked for caller in self._callers):
            await self._wait()

    async def _dispatch(self, jobs: Iterable[Job], step: Step) -> None:
        questions: list[tuple[Question, Job]] = []
        for job in jobs:
            request = job[1]
            known = () if self._journal.was_empty else self._journal.replies(request.sha256)
            if is_answered(known):
                await step(job)
                continue
            questions.append((Question(request.sha256, request.body, tuple(known)), job))
            if len(questions) == _QUESTIONS_A_CALL:
                await self._ask(questions)
                questions = []
        await self._ask(questions)

    async def _ask(self, questions: list[tuple[Question, Job]]) -> None:
        """Give questions to the callers with the most room, waiting for some."""
        while questions:
            caller = max(self._callers, key=_room_of)
            room = _room_of(caller)
            if room <= 0:
                await self._wait()
                continue
            for question, job in questions[:room]:
                caller.asked[question.request_sha256] = job
            self._note_at_risk()
            caller.actor.ask.remote([question for question, _ in questions[:room]])
            questions = questions[room:]
            await asyncio.sleep(0)

    async def _wait(self) -> None:
        """Until there are news; raises what ends the run."""
        self._room.clear()
        if self._stopped is None:
            room = asyncio.create_task(self._room.wait())
            await asyncio.wait([room, *self._collecting], return_when=asyncio.FIRST_COMPLETED)
            room.cancel()
        for task in self._collecting:
            if task.done():
                task.result()
        if self._stopped:
            raise self._stopped

    async def _collect(self, caller: _Remote) -> None:
        """Take a caller's news until the end; a dead one is waited for and asked again."""
        from ray.exceptions import RayActorError

        while not self._is_closing:
            try:
                await self._take(caller, await caller.actor.collect.remote())
            except RayActorError as error:
                if not self._is_closing:
                    await self._revive(caller, error)

    async def _take(self, caller: _Remote, news: News) -> None:
        caller.uncertain_usd = news.uncertain_usd
        caller.busy, caller.failed = news.num_busy, news.num_failed
        for answer in news.answers:
            job = caller.asked.pop(answer.request_sha256, None)
            if job is None:
                continue
            if self._is_closing or self._step is None:
                self._note_unread(answer)
            else:
                self.arrived.put(answer)
                await self._step(job)
        if news.stopped_by and self._stopped is None:
            self._stopped = self._denied or UserError(news.stopped_by)
        if news.wanted:
            await caller.actor.lend.remote(await self._lend(caller, news.wanted))
        if news.answers or self._stopped:
            self._room.set()

    def _note_unread(self, answer: Answer) -> None:
        """Keep replies that this run has no more use for: they are paid."""
        first = len(self._journal.replies(answer.request_sha256)) + 1
        for attempt, reply in enumerate(answer.replies, first):
            self._journal.add(answer.request_sha256, attempt, reply)

    async def _lend(self, caller: _Remote, wanted: Wanted) -> float:
        """What a caller may have; where there is too little, what others do not need is taken."""
        if self._leases is None:
            return 0.0
        usd = self._leases.lend(wanted.least_usd, wanted.usd)
        if not usd:
            for other in self._callers:
                if other is not caller and other.is_alive:
                    self._leases.take_back(await other.actor.give_back.remote())
            usd = self._leases.lend(wanted.least_usd, wanted.least_usd)
        if not usd:
            self._denied = UserError(
                f"{self._url}: --max-usd {self._leases.cap_usd:g}: "
                f"{self._journal.spent_usd() - self._noted_usd:.4f} USD are spent, and the next "
                f"request could cost {wanted.least_usd:.4f}. What has arrived is kept: raise "
                "--max-usd and run the same command."
            )
        return usd

    async def _revive(self, caller: _Remote, error: Exception) -> None:
        """Wait for Ray to start a dead caller again, and ask it what it had not answered.

        UserError when it does not come back.
        """
        from ray.exceptions import RayActorError

        caller.is_alive = False
        caller.lost_usd += caller.uncertain_usd + self._worst_of(caller.asked.values())
        caller.uncertain_usd = 0.0
        print(
            f"caller {caller.number} died with {len(caller.asked):,} questions; starting it again",
            file=sys.stderr,
            flush=True,
        )
        until_s = asyncio.get_running_loop().time() + _RESTART_S
        while True:
            try:
                await caller.actor.pid.remote()
                break
            except RayActorError as again:
                if asyncio.get_running_loop().time() > until_s:
                    raise UserError(
                        f"caller {caller.number}: died and was not started again in "
                        f"{_RESTART_S:.0f} s ({str(error or again).splitlines()[0]}). What has "
                        "arrived is kept: mend the cluster and run the same command."
                    ) from again
                await asyncio.sleep(_PING_S)
        caller.is_alive = True
        jobs = list(caller.asked.values())
        for start in range(0, len(jobs), _QUESTIONS_A_CALL):
            part = [job[1] for job in jobs[start : start + _QUESTIONS_A_CALL]]
            known = [tuple(self._journal.replies(each.sha256)) for each in part]
            questions = [
                Question(each.sha256, each.body, replies)
                for each, replies in zip(part, known, strict=True)
            ]
            caller.actor.ask.remote(questions)

    def _worst_of(self, jobs: Iterable[Job]) -> float:
        return sum(map(self._worst_usd, jobs)) if self._worst_usd else 0.0

    def _note_at_risk(self) -> None:
        """Note what requests without a reply may cost, in large steps: each note is a commit."""
        if self._worst_usd is None:
            return
        at_risk_usd = self._uncertain_usd() + sum(
            self._worst_of(caller.asked.values()) for caller in self._callers
        )
        if not at_risk_usd <= self._noted_usd <= 2 * at_risk_usd:
            self._noted_usd = 1.25 * at_risk_usd
            self._journal.note_at_risk(self._noted_usd)

    def _uncertain_usd(self) -> float:
        return sum(caller.uncertain_usd + caller.lost_usd for caller in self._callers)

    def note(self) -> str:
        """Questions, callers, 429s, failures, for the progress line."""
        asked = sum(len(caller.asked) for caller in self._callers)
        parts = [f"{asked:,} asked of {sum(each.is_alive for each in self._callers)} callers"]
        busy, failed = (
            sum(getattr(each, name) for each in self._callers) for name in ("busy", "failed")
        )
        parts += [f"429: {busy:,}"] if busy else []
        parts += [f"failed: {failed:,}"] if failed else []
        return ", ".join(parts)

    async def close(self) -> None:
        """End all callers; what they still hand over is journalled, and money is noted."""
        self._is_closing = True
        await asyncio.wait(self._collecting or [asyncio.create_task(asyncio.sleep(0))], timeout=5)
        await asyncio.gather(*map(self._end, self._callers))
        self._journal.commit()
        if self._worst_usd:
            self._journal.note_at_risk(self._uncertain_usd())
        for caller in self._callers:
            if not caller.asked and not caller.lost_usd:  # nothing lies there alone
                remove_caller(caller_journal(self._folder.work_dir, caller.number))

    async def _end(self, caller: _Remote) -> None:
        from ray.exceptions import RayActorError

        try:
            await self._take(caller, await caller.actor.finish.remote())
        except RayActorError:
            caller.lost_usd += self._worst_of(caller.asked.values())

    @property
    def uncertain_usd(self) -> float:
        """At most: of requests that may have been billed and brought no reply."""
        return self._uncertain_usd() if self._worst_usd else 0.0


def _room_of(caller: _Remote) -> int:
    return caller.most_questions - len(caller.asked) if caller.is_alive else 0
