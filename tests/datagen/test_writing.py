"""Writing in waves: what is written depends on plan and replies, not on order or interruptions."""

import asyncio
import json
import random
from functools import partial
from pathlib import Path

import pytest

from tests.datagen.fakes import CannedWriter, FewCaptions, few_parts, good_reply
from vargpt_datagen.endpoint.dispatch import dispatch
from vargpt_datagen.endpoint.gate import Gate
from vargpt_datagen.journal import Journal
from vargpt_datagen.plan import Plan, PlanConfig
from vargpt_datagen.pools import shipped_seeds, shipped_shot_pairs
from vargpt_datagen.reply import MAX_ATTEMPTS, Reply, Writer
from vargpt_datagen.request import Pools, RequestWriter
from vargpt_datagen.writing import RowWriting, Written, in_turn
from vargpt_schema import UserError

ROWS = 60
PLAN, REQUESTS = few_parts()
REFUSES = json.dumps({"prompt": "Give me a dog.", "answer": "I cannot draw a dog near a sofa."})


def caption_at(position: int) -> str:
    return REQUESTS.source.caption(PLAN.row(position).source_index)


class GatedWriter:
    """Answers as another writer does, a limited number at once."""

    def __init__(self, writer: Writer, gate: Gate) -> None:
        self._writer = writer
        self._gate = gate

    async def complete(self, body: bytes) -> Reply:
        slot = await self._gate.enter()
        try:
            return await self._writer.complete(body)
        finally:
            self._gate.leave(slot, "answered")


def write(writer, journal_path: Path, *, rows: int = ROWS, in_flight: int = 4) -> Written:
    journal = Journal(journal_path, replies_per_commit=1)
    gate = Gate(in_flight)
    writing = RowWriting(
        plan=PLAN,
        requests=REQUESTS,
        writer=GatedWriter(writer, gate),
        journal=journal,
        drive=partial(dispatch, gate=gate),
        on_progress=lambda _: None,
    )
    try:
        return asyncio.run(writing.write(rows))
    finally:
        journal.close()


def test_rows_come_in_plan_order_with_the_pair_written(tmp_path: Path):
    written = write(CannedWriter(), tmp_path / "journal")
    assert [row.position for row in written.rows] == list(range(ROWS))
    assert written.rows[0].prompt == f"Could I see a photo of {caption_at(0)}?"
    assert written.rows[0].generator == "fake-1"
    assert written.rejects == []
    assert (written.tally.asked, written.tally.replayed) == (60, 0)


def test_failed_rows_take_the_next_spares_in_ascending_order_wave_by_wave(tmp_path: Path):
    # Rows 5 and 40 fail; of the first two spares, the one that row 40 takes fails as well.
    bad = {caption_at(5): [REFUSES], caption_at(40): [REFUSES], caption_at(98): [REFUSES]}
    written = write(CannedWriter(bad), tmp_path / "journal")
    positions = {5: 99, 40: 97}  # spares lie at 99, 98, 97, ...
    assert [row.position for row in written.rows] == [
        positions.get(row, row) for row in range(ROWS)
    ]
    assert [(reject.position, reject.reason) for reject in written.rejects] == [
        (5, "refusal"),
        (40, "refusal"),
        (98, "refusal"),
    ]


def test_an_unusable_reply_is_asked_again_and_the_attempts_are_counted(tmp_path: Path):
    writer = CannedWriter({caption_at(0): ["", "not json", good_reply(caption_at(0))]})
    written = write(writer, tmp_path / "journal")
    assert written.rows[0].attempts == 3
    assert writer.asked.count(caption_at(0)) == 3


def test_a_reply_that_stays_unusable_becomes_a_reject(tmp_path: Path):
    writer = CannedWriter({caption_at(0): ["", "{", "["]})
    written = write(writer, tmp_path / "journal")
    (reject,) = written.rejects
    assert (reject.reason, reject.attempts, reject.text) == ("malformed_json", MAX_ATTEMPTS, "[")
    assert writer.asked.count(caption_at(0)) == MAX_ATTEMPTS


def test_a_reply_that_breaks_a_rule_is_not_asked_again(tmp_path: Path):
    writer = CannedWriter({caption_at(0): [REFUSES]})
    write(writer, tmp_path / "journal")
    assert writer.asked.count(caption_at(0)) == 1


def test_replies_in_the_journal_are_not_asked_for_again(tmp_path: Path):
    first = write(CannedWriter(), tmp_path / "journal")
    again = CannedWriter()
    assert write(again, tmp_path / "journal").rows == first.rows
    assert again.asked == []


def test_raising_rows_asks_for_the_new_rows_only_and_gives_what_one_build_gives(tmp_path: Path):
    bad = {caption_at(5): [REFUSES], caption_at(50): [REFUSES], caption_at(99): [REFUSES]}
    write(CannedWriter(bad), tmp_path / "raised", rows=20)
    writer = CannedWriter(bad)
    raised = write(writer, tmp_path / "raised", rows=ROWS)
    fresh = write(CannedWriter(bad), tmp_path / "fresh", rows=ROWS)
    assert raised.rows == fresh.rows
    assert raised.rejects == fresh.rejects
    assert not set(writer.asked) & {caption_at(position) for position in range(20)}


class ShuffledWriter(CannedWriter):
    """Replies in an order of its own."""

    def __init__(self, bad, seed: int) -> None:
        super().__init__(bad)
        self._random = random.Random(seed)

    async def complete(self, body: bytes) -> Reply:
        reply = await super().complete(body)
        for _ in range(self._random.randrange(6)):
            await asyncio.sleep(0)
        return reply


@pytest.mark.parametrize("seed", range(8))
def test_order_of_replies_and_concurrency_change_nothing(seed, tmp_path: Path):
    chosen = random.Random(seed)
    bad = {caption_at(chosen.randrange(100)): [REFUSES] * 3 for _ in range(20)}
    straight = write(CannedWriter(bad), tmp_path / "straight", in_flight=1)
    shuffled = write(
        ShuffledWriter(bad, seed), tmp_path / "shuffled", in_flight=chosen.randrange(2, 40)
    )
    assert shuffled.rows == straight.rows
    assert shuffled.rejects == straight.rejects


class DyingWriter(CannedWriter):
    """Works for some calls, then dies."""

    def __init__(self, bad, calls: int) -> None:
        super().__init__(bad)
        self._calls_left = calls

    async def complete(self, body: bytes) -> Reply:
        if self._calls_left == 0:
            raise RuntimeError("died")
        self._calls_left -= 1
        return await super().complete(body)


def test_a_run_that_dies_again_and_again_ends_as_an_undisturbed_one(tmp_path: Path):
    bad = {caption_at(position): [REFUSES] for position in (1, 2, 30, 99)}
    undisturbed = write(CannedWriter(bad), tmp_path / "undisturbed")
    for _ in range(3):
        with pytest.raises(RuntimeError, match="died"):
            write(DyingWriter(bad, calls=15), tmp_path / "dying")
    last = CannedWriter(bad)
    assert write(last, tmp_path / "dying").rows == undisturbed.rows
    assert len(last.asked) == ROWS + 4 - 45


def test_a_used_up_reserve_says_what_to_do(tmp_path: Path):
    bad = {caption_at(position): [REFUSES] for position in range(100)}
    with pytest.raises(UserError, match=r"all 18 spare captions are used up and 60 rows .*refusal"):
        write(CannedWriter(bad), tmp_path / "journal")


class CountingWriter(CannedWriter):
    """Never says the same thing twice, and keeps the bodies it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    async def complete(self, body: bytes) -> Reply:
        self.bodies.append(body)
        reply = await super().complete(body)
        return reply._replace(model=f"fake-{len(self.bodies)}")


def test_rows_with_one_and_the_same_request_share_its_reply_now_and_after_a_restart(tmp_path: Path):
    class OneDog(FewCaptions):
        """One hundred images with one caption."""

        def caption(self, index: int) -> str:
            return f"a dog near {'a sofa' if index >= 0 else ''}"

    seeds = {kind: seeds[:1] for kind, seeds in shipped_seeds().items()}
    pools = Pools(seeds=seeds, pairs=shipped_shot_pairs())
    config = PlanConfig(
        seed=0,
        fingerprint="one dog",
        num_captions=100,
        pool_sizes=pools.sizes(),
        num_pairs=len(pools.pairs),
        shot_sets=2,
    )
    plan = Plan(config)
    requests = RequestWriter(OneDog(), pools, model="fake-1", shots="pairs")
    runs, writers = [], [CountingWriter(), CountingWriter()]
    for writer in writers:
        journal = Journal(tmp_path / "journal", replies_per_commit=1)
        writing = RowWriting(
            plan=plan,
            requests=requests,
            writer=writer,
            journal=journal,
            drive=in_turn,
            on_progress=lambda _: None,
        )
        runs.append(asyncio.run(writing.write(50)).rows)
        journal.close()
    assert len(writers[0].bodies) == len(set(writers[0].bodies)) == 2
    assert writers[1].bodies == []
    assert runs[0] == runs[1]


def test_a_raised_build_keeps_every_row_whose_own_caption_was_accepted(tmp_path: Path):
    bad = {caption_at(position): [REFUSES] for position in (5, 12, 30, 98)}
    before = write(CannedWriter(bad), tmp_path / "raised", rows=20).rows
    after = write(CannedWriter(bad), tmp_path / "raised", rows=ROWS).rows
    moved = [row for row in range(20) if before[row] != after[row]]
    assert set(moved) <= {5, 12}
    assert {row.position for row in before} <= {row.position for row in after}
