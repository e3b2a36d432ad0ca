"""A caller: one process that sends requests, journals what comes back, and hands it to the driver.

No Ray here: the driver makes an actor of the class. Every reply is in the journal of this machine
before the driver hears of it, so a caller that is started again asks for nothing that has arrived.
"""

import asyncio
import contextlib
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from vargpt_datagen.endpoint.address import Endpoint, read_key
from vargpt_datagen.endpoint.dispatch import GRACE_S
from vargpt_datagen.journal import Journal
from vargpt_datagen.offline import OfflineWriter
from vargpt_datagen.ray_calls.journals import caller_journal, held
from vargpt_datagen.reply import Reply, Writer, last_reply
from vargpt_datagen.request import MAX_OUTPUT_TOKENS
from vargpt_datagen.writer_config import WriterConfig
from vargpt_schema import UserError

_GATHER_S = 0.02  # news of so long travel together
_LONGEST_SILENCE_S = 0.5  # then the driver hears at least how things stand


class CallerConfig(NamedTuple):
    """Whom a caller asks, and its share of the whole."""

    endpoint: Endpoint | None  # None: the offline writer
    config: WriterConfig  # its `in_flight` is the caller's share
    work_dir: Path  # of the build, on the caller's machine
    replies_per_commit: int


class Question(NamedTuple):
    """A request to answer, with the replies that the driver has already."""

    request_sha256: str
    body: bytes
    known: tuple[Reply, ...]


class Answer(NamedTuple):
    """New replies to a request, enough of them to judge it."""

    request_sha256: str
    replies: tuple[Reply, ...]


class Wanted(NamedTuple):
    """A lease that a caller waits for."""

    least_usd: float
    usd: float


class News(NamedTuple):
    """What has happened at a caller since the last time."""

    answers: tuple[Answer, ...]
    wanted: Wanted | None
    uncertain_usd: float  # of all its time: sent, no reply, perhaps billed
    num_busy: int
    num_failed: int
    stopped_by: str | None  # a line for the user


class Caller:
    """Answers questions, many at once. Every method but `__init__` runs in one event loop."""

    def __init__(self, number: int, config: CallerConfig) -> None:
        self._config = config
        self._files = contextlib.ExitStack()
        path = caller_journal(config.work_dir, number)
        self._files.enter_context(held(path))
        self._journal = Journal(path, replies_per_commit=config.replies_per_commit)
        self._files.callback(self._journal.close)
        self._session = AsyncExitStack()
        self._writer: Writer | None = None
        self._endpoint_session = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._asked: set[str] = set()  # requests of all its time
        self._answers: list[Answer] = []
        self._stopped_by: str | None = None
        self._wanted: Wanted | None = None
        self._loan: asyncio.Future[bool] | None = None
        self._news = asyncio.Event()

    async def pid(self) -> int:
        """Number of the process; an answer says that the caller is alive."""
        return os.getpid()

    async def ask(self, questions: Sequence[Question]) -> None:
        """Start answering; `collect` gives the answers."""
        try:
            writer = await self._open()
        except UserError as error:
            self._stop(str(error))
            return
        for question in questions:
            if question.request_sha256 in self._asked:  # also when Ray delivers a call twice
                continue
            self._asked.add(question.request_sha256)
            task = asyncio.create_task(self._answer(question, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def collect(self) -> News:
        """What has happened, as soon as anything has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_SILENCE_S):
                await self._news.wait()
            await asyncio.sleep(_GATHER_S)
        return self._gathered()

    async def lend(self, usd: float) -> None:
        """The driver's word on what was wanted; 0: there is no more."""
        loan, self._loan, self._wanted = self._loan, None, None
        if usd and self._endpoint_session and self._endpoint_session.budget:
            self._endpoint_session.budget.lend(usd)
        if loan and not loan.done():
            loan.set_result(usd > 0)

    async def give_back(self) -> float:
        """USD of the lease that no request needs now."""
        budget = self._endpoint_session and self._endpoint_session.budget
        return budget.give_back() if budget else 0.0

    async def finish(self) -> News:
        """Send no more, wait for what is paid and on its way, and close the journal."""
        if self._endpoint_session:
            self._endpoint_session.gate.stop(UserError("the run has ended"))
        await self.lend(0.0)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.aclose()
        news = self._gathered()
        self._files.close()
        return news

    async def _open(self) -> Writer:
        if self._writer is not None:
            return self._writer
        endpoint, config = self._config.endpoint, self._config.config
        if endpoint is None:
            self._writer = OfflineWriter()
            return self._writer
        from vargpt_datagen.endpoint.session import endpoint_session  # brings the HTTP client

        # The key comes from this machine's environment: it never travels through the cluster.
        key = read_key(endpoint, config.key_env)
        self._endpoint_session = await self._session.enter_async_context(
            endpoint_session(
                endpoint,
                key,
                config,
                self._journal,
                max_output_tokens=MAX_OUTPUT_TOKENS,
                borrow=self._borrow,
            )
        )
        self._writer = self._endpoint_session.writer
        return self._writer

    async def _answer(self, question: Question, writer: Writer) -> None:
        # Of the same caller, before it was started again.
        is_new = self._journal.was_empty
        here = () if is_new else tuple(self._journal.replies(question.request_sha256))
        for attempt in range(len(here) + 1, len(question.known) + 1):  # no gap before new ones
            self._journal.add(question.request_sha256, attempt, question.known[attempt - 1])
        known = max(question.known, here, key=len)
        new: list[Reply] = list(known[len(question.known) :])

        async def ask(attempt: int) -> Reply:
            reply = await writer.complete(question.body)
            self._journal.add(question.request_sha256, attempt, reply)
            new.append(reply)
            return reply

        try:
            await last_reply(known, ask)
        except UserError as error:
            self._stop(str(error))
            return
        self._answers.append(Answer(question.request_sha256, tuple(new)))
        self._news.set()

    async def _borrow(self, usd: float) -> bool:
        """Wait for the driver to lend for this request and the next ones."""
        if self._loan is None:
            self._loan = asyncio.get_running_loop().create_future()
            share = max(self._config.config.in_flight // 2, 1)
            self._wanted = Wanted(usd, usd * share)
            self._news.set()
        return await asyncio.shield(self._loan)

    def _stop(self, line: str) -> None:
        self._stopped_by = self._stopped_by or line
        self._news.set()

    def _gathered(self) -> News:
        self._news.clear()
        self._journal.commit()
        answers, self._answers = tuple(self._answers), []
        traffic = self._endpoint_session.writer.traffic if self._endpoint_session else None
        budget = self._endpoint_session.budget if self._endpoint_session else None
        wanted, self._wanted = self._wanted, None
        return News(
            answers=answers,
            wanted=wanted,
            uncertain_usd=budget.uncertain_usd if budget else 0.0,
            num_busy=traffic.busy if traffic else 0,
            num_failed=traffic.failed if traffic else 0,
            stopped_by=self._stopped_by,
        )
