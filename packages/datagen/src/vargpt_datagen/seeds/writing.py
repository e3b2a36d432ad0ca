"""Writing the pools: batch after batch of a kind, until it has as many seeds as were asked for."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from vargpt_datagen.journal import Journal
from vargpt_datagen.reply import MAX_ATTEMPTS, Reply, Unusable, Writer
from vargpt_datagen.seeds.reading import read_texts
from vargpt_datagen.seeds.request import BATCH_SIZE, SeedRequest, SeedRequests
from vargpt_datagen.seeds.rules import normalise_seed, same_text, seed_fault
from vargpt_schema import SEED_KINDS
from vargpt_schema.seeds import SeedKind

# So many calls in a row that bring fewer new seeds in all: the model has nothing more to say.
LAST_CALLS = 4
FEWEST_NEW = 8
_MOST_TEXTS = 2 * BATCH_SIZE  # read of one reply; more is no answer to what was asked


class WrittenSeed(NamedTuple):
    """A text that has passed every rule."""

    text: str
    generator: str  # model as the endpoint reported it


@dataclass(slots=True)
class Pool:
    """The seeds of one kind, in the order they came, and what was dropped on the way.

    It may hold more than were asked for, as batches are judged whole: the request of a call then
    stays the same when more are asked for later.
    """

    kind: SeedKind
    seeds: list[WrittenSeed] = field(default_factory=list)
    new_by_call: list[int] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)  # texts
    unusable: Counter[str] = field(default_factory=Counter)  # replies
    last_fault: str = ""

    @property
    def texts(self) -> list[str]:
        return [seed.text for seed in self.seeds]

    @property
    def is_exhausted(self) -> bool:
        """Whether the last calls brought almost nothing."""
        last = self.new_by_call[-LAST_CALLS:]
        return len(last) == LAST_CALLS and sum(last) < FEWEST_NEW


class SeedWriting:
    """Writes the pools of one configuration."""

    def __init__(
        self,
        *,
        requests: SeedRequests,
        writer: Writer,
        journal: Journal,
        on_progress: Callable[[], None],
    ) -> None:
        self._requests = requests
        self._writer = writer
        self._journal = journal
        self._on_progress = on_progress
        self.pools: dict[SeedKind, Pool] = {kind: Pool(kind) for kind in SEED_KINDS}
        self.num_asked = 0  # replies of this run

    async def write(self, kind: SeedKind, count: int) -> None:
        """Fill one pool; it ends with fewer than `count` when the model has no more to say.

        What is written depends on the requests and the replies alone.
        """
        pool = self.pools[kind]
        while len(pool.seeds) < count and not pool.is_exhausted:
            request = self._requests.request(kind, len(pool.new_by_call), pool.texts)
            pool.new_by_call.append(await self._call(request, pool))
            self._on_progress()

    async def _call(self, request: SeedRequest, pool: Pool) -> int:
        """One call; how many new seeds it brought."""
        known = [] if self._journal.was_empty else self._journal.replies(request.sha256)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            reply = await self._reply(request, attempt, known)
            found = read_texts(reply)
            if not isinstance(found, Unusable):
                return _take(found, reply.model.strip() or "unknown", request, pool)
            pool.unusable[found.reason] += 1
            pool.last_fault = found.detail
            if found.is_final:
                break
        return 0

    async def _reply(self, request: SeedRequest, attempt: int, known: list[Reply]) -> Reply:
        """The journal's reply where it has one, else a new one, noted before it is used."""
        if attempt <= len(known):
            return known[attempt - 1]
        reply = await self._writer.complete(request.body)
        self._journal.add(request.sha256, attempt, reply)
        self.num_asked += 1
        return reply


def _take(texts: list[str], generator: str, request: SeedRequest, pool: Pool) -> int:
    num_before = len(pool.seeds)
    for written in texts[:_MOST_TEXTS]:
        text = normalise_seed(written)
        if fault := seed_fault(text, pool.kind):
            reason, pool.last_fault = fault
        elif same_text(text, request.examples):
            reason, pool.last_fault = "copies_example", text
        elif same_text(text, pool.texts):
            reason, pool.last_fault = "repeats_a_seed", text
        else:
            pool.seeds.append(WrittenSeed(text, generator))
            continue
        pool.rejected[reason] += 1
    return len(pool.seeds) - num_before
