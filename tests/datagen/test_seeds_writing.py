"""The pools as they grow call by call, with a writer of canned replies."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.datagen.seeds_command import BATCH, good_reply, good_text
from vargpt_datagen.journal import Journal
from vargpt_datagen.reply import REFUSED, Reply
from vargpt_datagen.seeds.request import SeedRequests
from vargpt_datagen.seeds.writing import Pool, SeedWriting

REQUESTS = SeedRequests(model="fake-1", seed=0)
MALFORMED = "Sure! Here you go:"


class CannedReplies:
    """Gives one reply after the other; a pair is a text and a finish reason."""

    def __init__(self, replies: Sequence[str | tuple[str, str]]) -> None:
        self.replies = list(replies)
        self.bodies: list[bytes] = []

    async def complete(self, body: bytes) -> Reply:
        self.bodies.append(body)
        given = self.replies.pop(0)
        text, finish_reason = given if isinstance(given, tuple) else (given, "stop")
        return Reply(text, finish_reason, "fake-2026", 10, 4, 5, 0.001)


@contextmanager
def journal_in(folder: Path) -> Iterator[Journal]:
    journal = Journal(folder / "journal.sqlite", replies_per_commit=1)
    yield journal
    journal.close()


def write(folder: Path, writer: CannedReplies, count: int) -> Pool:
    """The pool of kind prompt, over the journal of a folder."""
    with journal_in(folder) as journal:
        writing = SeedWriting(
            requests=REQUESTS, writer=writer, journal=journal, on_progress=lambda: None
        )
        asyncio.run(writing.write("prompt", count))
    return writing.pools["prompt"]


def reply_of(*texts: str) -> str:
    return json.dumps({"seeds": texts})


def user_message(body: bytes) -> str:
    return json.loads(body)["messages"][1]["content"]


def test_calls_go_on_until_there_are_enough_and_each_names_what_is_accepted(tmp_path: Path):
    writer = CannedReplies([good_reply(0), good_reply(1), good_reply(2)])
    pool = write(tmp_path, writer, 30)
    assert pool.texts == [good_text(number) for number in range(40)]
    assert {seed.generator for seed in pool.seeds} == {"fake-2026"}
    assert pool.new_by_call == [20, 20]
    assert len(writer.bodies) == 2
    assert good_text(0) not in user_message(writer.bodies[0])
    assert user_message(writer.bodies[1]).count("- Use the words") == 20


def test_unusable_replies_are_asked_again_twice_and_then_the_next_call_is_made(tmp_path: Path):
    cut_off = (good_reply(0)[:50], "length")
    writer = CannedReplies(["  ", cut_off, good_reply(0), MALFORMED, MALFORMED, MALFORMED,
                            good_reply(1)])  # fmt: skip
    pool = write(tmp_path, writer, 40)
    assert pool.new_by_call == [20, 0, 20]
    assert pool.unusable == {"blank": 1, "cut_off": 1, "malformed_json": 3}
    first, second, third = writer.bodies[0], writer.bodies[3], writer.bodies[6]
    assert writer.bodies == [first] * 3 + [second] * 3 + [third]
    assert len({first, second, third}) == 3


def test_a_refused_call_is_not_made_again(tmp_path: Path):
    writer = CannedReplies([("Content Exists Risk", REFUSED), good_reply(0)])
    pool = write(tmp_path, writer, 20)
    assert pool.new_by_call == [0, 20]
    assert pool.unusable == {"refused": 1}


def test_what_repeats_a_seed_or_an_example_or_breaks_a_rule_is_dropped_and_counted(tmp_path: Path):
    example = REQUESTS.request("prompt", 0, ()).examples[2]
    texts = [good_text(number) for number in range(BATCH)]
    again = good_text(3).replace("Use the", "Use these")
    first = reply_of(*texts[:10], example, again, "Be polite.", "Ask politely. Then stop there.")
    writer = CannedReplies([first, reply_of(texts[4], *texts[10:])])
    pool = write(tmp_path, writer, 20)
    assert pool.texts == texts
    assert pool.rejected == {
        "copies_example": 1,
        "repeats_a_seed": 2,
        "length": 1,
        "several_sentences": 1,
    }


def test_a_model_that_only_repeats_itself_is_asked_four_more_times(tmp_path: Path):
    writer = CannedReplies([good_reply(0)] * 10)
    pool = write(tmp_path, writer, 60)
    assert pool.new_by_call == [20, 0, 0, 0, 0]
    assert pool.is_exhausted
    assert len(pool.seeds) == 20


def test_a_model_that_brings_two_new_seeds_a_call_may_go_on(tmp_path: Path):
    texts = [good_text(number) for number in range(60)]
    replies = [reply_of(*texts[: 2 * call + 2]) for call in range(12)]
    pool = write(tmp_path, CannedReplies(replies), 20)
    assert pool.new_by_call == [2] * 10
    assert not pool.is_exhausted


def test_of_a_flood_of_texts_two_batches_are_read(tmp_path: Path):
    flood = reply_of(*(good_text(number) for number in range(500)))
    assert len(write(tmp_path, CannedReplies([flood]), 10).seeds) == 40


def test_a_reply_that_names_no_model_is_of_an_unknown_generator(tmp_path: Path):
    class Nameless(CannedReplies):
        async def complete(self, body: bytes) -> Reply:
            return (await super().complete(body))._replace(model=" ")

    pool = write(tmp_path, Nameless([good_reply(0)]), 5)
    assert pool.seeds[0].generator == "unknown"


def test_what_the_journal_has_is_not_asked_for_again(tmp_path: Path):
    replies = [good_reply(0), MALFORMED, good_reply(1), good_reply(2), good_reply(3)]
    whole_folder, broken_folder = tmp_path / "whole", tmp_path / "broken"
    whole = write(whole_folder, CannedReplies(replies), 80)

    writer = CannedReplies(replies[:3])
    with pytest.raises(IndexError):  # no more replies: the process might as well be killed
        write(broken_folder, writer, 80)
    later = CannedReplies(replies[3:])
    assert write(broken_folder, later, 80).seeds == whole.seeds
    assert len(later.bodies) == 2
    assert write(broken_folder, CannedReplies([]), 80).seeds == whole.seeds


def test_more_seeds_later_begin_with_those_of_before(tmp_path: Path):
    few = write(tmp_path, CannedReplies([good_reply(0), good_reply(1)]), 25)
    more = CannedReplies([good_reply(2)])
    assert write(tmp_path, more, 45).texts[:40] == few.texts
    assert len(more.bodies) == 1
    assert write(tmp_path, CannedReplies([]), 10).texts == few.texts[:20]
