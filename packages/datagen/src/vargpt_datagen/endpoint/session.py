"""One run against an endpoint: client, gate, budget and writer, opened and closed together."""

import asyncio
import gc
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from vargpt_datagen.endpoint.address import Endpoint
from vargpt_datagen.endpoint.client import Client
from vargpt_datagen.endpoint.gate import Gate
from vargpt_datagen.endpoint.key import Key
from vargpt_datagen.endpoint.money import Budget
from vargpt_datagen.endpoint.writer import EndpointWriter
from vargpt_datagen.journal import Journal
from vargpt_datagen.writer_config import WriterConfig
from vargpt_schema import UserError

_FILES_BESIDES_SOCKETS = 64
_SILENT_S = 10.0  # without an answer, until the display says why


class Session:
    """What a run needs to get replies, and what it can tell of them."""

    def __init__(self, writer: EndpointWriter, gate: Gate, budget: Budget | None) -> None:
        self.writer = writer
        self.gate = gate
        self.budget = budget

    def note(self, done: int, total: int) -> str:
        """In flight, 429s, failures, USD and cache share, for the progress line."""
        traffic = self.writer.traffic
        parts = [f"{self.gate.in_flight:,} in flight", f"429: {traffic.busy:,}"]
        if traffic.failed:
            parts.append(f"failed: {traffic.failed:,}")
        if self.budget:
            spent = self.budget.spent_usd
            usd = f"{spent:.2f} USD"
            if done:
                usd += f" of about {spent / done * total:.2f}"
            parts.append(usd)
        else:
            parts.append("USD unknown")
        if traffic.prompt_tokens:
            parts.append(f"cache {traffic.cached_tokens / traffic.prompt_tokens:.0%}")
        if traffic.last_failure and self.gate.now() - (traffic.last_answer_s or 0) > _SILENT_S:
            parts.append(f"no answer lately: {traffic.last_failure[:80]}")
        return ", ".join(parts)


@asynccontextmanager
async def endpoint_session(
    endpoint: Endpoint,
    key: Key | None,
    config: WriterConfig,
    journal: Journal,
    *,
    max_output_tokens: int,
    borrow: Callable[[float], Awaitable[bool]] | None = None,
) -> AsyncIterator[Session]:
    """Open a run; at its end what stays uncertain about money is noted in the journal.

    With `borrow` the session begins without money and has what it is lent, up to the cap that
    others keep.
    """
    refuse_uncounted(journal, config)
    in_flight = _affordable_in_flight(config.in_flight)
    # With a cap, what a reply really costs is seen on a few of them first.
    gate = Gate(in_flight, probes=config.max_usd is not None)
    budget = None
    if endpoint.tariff:
        budget = Budget(
            endpoint.tariff,
            cap_usd=0.0 if borrow and config.max_usd is not None else config.max_usd,
            earlier_usd=0.0 if borrow else journal.spent_usd(),
            note_at_risk=journal.note_at_risk,
            borrow=borrow,
        )
    client = Client(endpoint, key, in_flight=in_flight, reply_timeout_s=config.reply_timeout_s)
    writer = EndpointWriter(
        endpoint,
        client,
        gate,
        budget,
        max_output_tokens=max_output_tokens,
        is_proven=not journal.was_empty,
    )
    _calm_garbage_collection()
    try:
        yield Session(writer, gate, budget)
    finally:
        try:
            if budget:
                budget.close()
        finally:
            await asyncio.shield(client.close())


def refuse_uncounted(journal: Journal, config: WriterConfig) -> None:
    """UserError for a cap on a folder with replies whose cost nobody knows."""
    num_unpriced = journal.usage().num_unpriced
    if config.max_usd is not None and num_unpriced:
        raise UserError(
            f"--max-usd {config.max_usd:g}: {num_unpriced:,} replies of this folder came while no "
            "price was known, so what they cost cannot be counted. Leave --max-usd out, or begin "
            "in a new folder with --price from the first run on."
        )


def _affordable_in_flight(wanted: int) -> int:
    """As many as there may be open sockets; the soft limit is raised as far as allowed."""
    needed = wanted + _FILES_BESIDES_SOCKETS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        most = needed if hard == resource.RLIM_INFINITY else min(hard, needed)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        if most < needed:
            wanted = max(most - _FILES_BESIDES_SOCKETS, 1)
            print(
                f"this system allows {hard:,} open files: {wanted:,} requests in flight at most "
                "(raise it with ulimit -n)",
                file=sys.stderr,
            )
    return wanted


def _calm_garbage_collection() -> None:
    """What is loaded by now stays; requests come and go in thousands, hardly any in cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
