"""Asking for the text of all rows: the offline writer in turn, an endpoint many at once."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from vargpt_datagen.endpoint.address import Endpoint, read_key
from vargpt_datagen.endpoint.key import Key
from vargpt_datagen.engines import Engine
from vargpt_datagen.folder import BuildFolder
from vargpt_datagen.journal import Journal, JournalUsage
from vargpt_datagen.offline import OfflineWriter
from vargpt_datagen.plan import Plan
from vargpt_datagen.progress import Progress, progress
from vargpt_datagen.ray_calls.journals import take_over_callers
from vargpt_datagen.reply import NoCalls, Writer
from vargpt_datagen.request import MAX_OUTPUT_TOKENS, RequestWriter
from vargpt_datagen.writer_config import WriterConfig
from vargpt_datagen.writing import Drive, RowWriting, Tally, Written, in_turn
from vargpt_schema import REPLIES

FREE_REPLIES_PER_COMMIT = 1_000  # offline replies cost nothing to make again
_FREE = JournalUsage(0, 0, 0, 0.0, 0, 0)
_SECONDS_BETWEEN_NOTES = 0.5


class RowsToWrite(NamedTuple):
    """Which rows, and by whom."""

    plan: Plan
    requests: RequestWriter
    num_rows: int
    endpoint: Endpoint | None  # None: the offline writer
    config: WriterConfig
    engine: Engine = "local"
    num_callers: int | None = None  # of Ray; None: one for each of its machines


class Asked(NamedTuple):
    """All rows' text, and what the replies of this folder came to."""

    written: Written
    usage: JournalUsage
    journal: Journal | None  # open, with replies that were paid for; None: there are none


@contextmanager
def asked_rows(rows: RowsToWrite, folder: BuildFolder, *, calls: bool = True) -> Iterator[Asked]:
    """Write all rows; the journal stays open within the block, for publishing.

    Without `calls` an endpoint is not asked: rows that have no reply in the journal stay open.
    """
    with _journal(folder, is_paid=rows.endpoint is not None) as journal:
        with progress("rows") as show:
            if rows.engine == "ray" and calls:
                written = asyncio.run(_over_ray(rows, folder, journal, show))
            elif rows.endpoint is None:
                writing = _writing(rows, OfflineWriter(), journal, in_turn, _shown(rows, show))
                written = asyncio.run(writing.write(rows.num_rows))
            elif not calls:
                writing = _writing(rows, NoCalls(), journal, in_turn, _shown(rows, show))
                written = asyncio.run(writing.write(rows.num_rows))
            else:
                key = read_key(rows.endpoint, rows.config.key_env)
                written = asyncio.run(_from_endpoint(rows, rows.endpoint, key, journal, show))
        if rows.endpoint is None:
            yield Asked(written, _FREE, None)
        else:
            yield Asked(written, journal.usage(), journal)


@contextmanager
def _journal(folder: BuildFolder, *, is_paid: bool) -> Iterator[Journal]:
    journal = Journal(folder.journal, replies_per_commit=1 if is_paid else FREE_REPLIES_PER_COMMIT)
    try:
        if is_paid and journal.was_empty and any(folder.replies.glob("*.parquet")):
            # .work was deleted, as may be done once published: what was paid for is still here.
            journal.take_over(REPLIES.records(folder.replies))
        if is_paid:
            journal.forget_lone_refusals()
        take_over_callers(journal, folder.work_dir)
        yield journal
    finally:
        journal.close()


async def _from_endpoint(
    rows: RowsToWrite, endpoint: Endpoint, key: Key | None, journal: Journal, show: Progress
) -> Written:
    from vargpt_datagen.endpoint.dispatch import dispatch  # brings the HTTP client along
    from vargpt_datagen.endpoint.session import endpoint_session

    _tell_who_writes(rows, endpoint, key)
    session_of = partial(endpoint_session, max_output_tokens=MAX_OUTPUT_TOKENS)
    async with session_of(endpoint, key, rows.config, journal) as session:
        drive = partial(dispatch, gate=session.gate)
        on_progress = _shown(rows, show, session.note)
        writing = _writing(rows, session.writer, journal, drive, on_progress)

        showing = asyncio.create_task(_keep_showing(writing, on_progress))
        try:
            return await writing.write(rows.num_rows)
        finally:
            showing.cancel()
            _tell_uncertain(session.budget.uncertain_usd if session.budget else 0.0)


async def _over_ray(
    rows: RowsToWrite, folder: BuildFolder, journal: Journal, show: Progress
) -> Written:
    from vargpt_datagen.endpoint.session import refuse_uncounted
    from vargpt_datagen.ray_calls.driver import CallsConfig, RayCalls
    from vargpt_datagen.ray_cluster import ray_cluster

    if rows.endpoint:
        refuse_uncounted(journal, rows.config)
        # Every caller reads it again, from the environment of its own machine.
        _tell_who_writes(rows, rows.endpoint, read_key(rows.endpoint, rows.config.key_env))
    with ray_cluster() as cluster:
        num_callers = rows.num_callers or cluster.num_nodes
        config = CallsConfig(rows.endpoint, rows.config, num_callers)
        calls = RayCalls(config, folder, journal)
        on_progress = _shown(rows, show, lambda *_: calls.note())
        writing = _writing(rows, calls.arrived, journal, calls.drive, on_progress)
        showing = asyncio.create_task(_keep_showing(writing, on_progress))
        try:
            return await writing.write(rows.num_rows)
        finally:
            showing.cancel()
            await calls.close()
            _tell_uncertain(calls.uncertain_usd)


def _tell_who_writes(rows: RowsToWrite, endpoint: Endpoint, key: Key | None) -> None:
    variable = rows.config.key_env or endpoint.default_key_env
    by = f"with the key of {variable}" if key else "without a key"
    print(f"text by {endpoint.model} at {endpoint.url}, {by}", file=sys.stderr, flush=True)


def _tell_uncertain(usd: float) -> None:
    if usd:
        print(
            f"{usd:.4f} USD at most for requests that may have been billed and brought no reply",
            file=sys.stderr,
        )


async def _keep_showing(writing: RowWriting, on_progress: Callable[[Tally], None]) -> None:
    while True:  # also while nothing arrives
        await asyncio.sleep(_SECONDS_BETWEEN_NOTES)
        on_progress(writing.tally)


def _writing(
    rows: RowsToWrite,
    writer: Writer,
    journal: Journal,
    drive: Drive,
    on_progress: Callable[[Tally], None],
) -> RowWriting:
    return RowWriting(
        plan=rows.plan,
        requests=rows.requests,
        writer=writer,
        journal=journal,
        drive=drive,
        on_progress=on_progress,
    )


def _shown(
    rows: RowsToWrite, show: Progress, note: Callable[[int, int], str] | None = None
) -> Callable[[Tally], None]:
    def on_progress(tally: Tally) -> None:
        text = f"{tally.rejected.total():,} rejected"
        if note:
            text += f", {note(tally.accepted, rows.num_rows)}"
        show(tally.accepted, rows.num_rows, text)

    return on_progress
