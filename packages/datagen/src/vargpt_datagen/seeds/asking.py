"""Asking an endpoint for the seeds: the three kinds at once, the calls of a kind in turn."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import NamedTuple

from vargpt_datagen.endpoint.address import Endpoint, read_key
from vargpt_datagen.folder import BuildFolder
from vargpt_datagen.journal import Journal, JournalUsage
from vargpt_datagen.manifest import sorted_counts
from vargpt_datagen.printable import printable
from vargpt_datagen.progress import Progress, progress
from vargpt_datagen.seeds.request import MAX_OUTPUT_TOKENS, SeedRequests
from vargpt_datagen.seeds.writing import LAST_CALLS, Pool, SeedWriting
from vargpt_datagen.writer_config import WriterConfig
from vargpt_schema import REPLIES, SEED_KINDS, UserError
from vargpt_schema.seeds import SeedKind

_SECONDS_BETWEEN_NOTES = 0.5


class SeedsToWrite(NamedTuple):
    """How many of each kind, and by whom."""

    requests: SeedRequests
    num_of_kind: int
    endpoint: Endpoint
    config: WriterConfig


class Asked(NamedTuple):
    """All seeds, and what the replies of this folder came to."""

    pools: dict[SeedKind, Pool]
    usage: JournalUsage
    journal: Journal  # open


@contextmanager
def asked_seeds(seeds: SeedsToWrite, folder: BuildFolder) -> Iterator[Asked]:
    """Write all pools; the journal stays open within the block, for publishing.

    UserError when the model has no more to say before all are full.
    """
    with closing(Journal(folder.journal, replies_per_commit=1)) as journal:
        if journal.was_empty and any(folder.replies.glob("*.parquet")):
            # .work was deleted, as may be done once published: what was paid for is still here.
            journal.take_over(REPLIES.records(folder.replies))
        journal.forget_lone_refusals()
        with progress("seeds") as show:
            pools = asyncio.run(_written(seeds, journal, show))
        rejected = sum((pool.rejected for pool in pools.values()), Counter[str]())
        if rejected:
            print(f"rejected texts: {_reasons(rejected)}", file=sys.stderr)
        _expect_full(pools, seeds.num_of_kind)
        yield Asked(pools, journal.usage(), journal)


async def _written(seeds: SeedsToWrite, journal: Journal, show: Progress) -> dict[SeedKind, Pool]:
    from vargpt_datagen.endpoint.dispatch import dispatch  # brings the HTTP client along
    from vargpt_datagen.endpoint.session import endpoint_session

    endpoint = seeds.endpoint
    key = read_key(endpoint, seeds.config.key_env)
    variable = seeds.config.key_env or endpoint.default_key_env
    by = f"with the key of {variable}" if key else "without a key"
    print(f"seeds by {endpoint.model} at {endpoint.url}, {by}", file=sys.stderr, flush=True)
    session_of = partial(endpoint_session, max_output_tokens=MAX_OUTPUT_TOKENS)
    async with session_of(endpoint, key, seeds.config, journal) as session:
        total = seeds.num_of_kind * len(SEED_KINDS)

        def on_progress() -> None:
            done = sum(min(len(pool.seeds), seeds.num_of_kind) for pool in writing.pools.values())
            show(done, total, session.note(done, total))

        writing = SeedWriting(
            requests=seeds.requests,
            writer=session.writer,
            journal=journal,
            on_progress=on_progress,
        )

        async def keep_showing() -> None:
            while True:  # also while nothing arrives
                await asyncio.sleep(_SECONDS_BETWEEN_NOTES)
                on_progress()

        showing = asyncio.create_task(keep_showing())
        try:
            write = partial(writing.write, count=seeds.num_of_kind)
            await dispatch(SEED_KINDS, write, gate=session.gate)
        finally:
            showing.cancel()
        return writing.pools


def _expect_full(pools: dict[SeedKind, Pool], count: int) -> None:
    found: dict[SeedKind, int] = {kind: min(len(pool.seeds), count) for kind, pool in pools.items()}
    fewest = min(found, key=lambda kind: found[kind])
    if found[fewest] == count:
        return
    pool = pools[fewest]
    counts = ", ".join(f"{number} of kind {kind}" for kind, number in found.items())
    dropped, last = _reasons(pool.rejected + pool.unusable), printable(pool.last_fault)[:200]
    advice = (
        f"Run it with --count {found[fewest]}, which pays nothing more, or choose"
        if found[fewest]
        else "Choose"
    )
    raise UserError(
        f"--count {count}: {counts} found, {count} of each were expected; the last {LAST_CALLS} "
        f"calls for kind {fewest} brought {sum(pool.new_by_call[-LAST_CALLS:])} (dropped so far: "
        f"{dropped}; the last: {last}). What has arrived is kept. {advice} another --model or "
        "--seed in a new folder."
    )


def _reasons(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted_counts(counts).items())
