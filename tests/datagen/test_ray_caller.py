"""A caller without Ray: answers, its journal, and what a second one of its number finds there."""

import asyncio
import hashlib
import json
from pathlib import Path

from vargpt_datagen.journal import Journal
from vargpt_datagen.ray_calls.caller import Answer, Caller, CallerConfig, Question
from vargpt_datagen.ray_calls.journals import caller_journal, take_over_callers
from vargpt_datagen.reply import Reply
from vargpt_datagen.writer_config import WriterConfig

BODY = json.dumps({"messages": []}).encode()
SHA256 = hashlib.sha256(BODY).hexdigest()
GOOD = Reply('{"prompt": "Draw a cat.", "answer": "Here is a cat."}', "stop", "m", 1, 0, 1, None)
CUT_OFF = Reply('{"prompt"', "length", "m", 1, 0, 1, None)


class CannedWriter:
    """Gives one reply after another, and counts."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.num_asked = 0

    async def complete(self, body: bytes) -> Reply:
        assert body == BODY
        self.num_asked += 1
        return self.replies.pop(0)


def answers_of(work_dir: Path, writer: CannedWriter, *questions: Question) -> tuple[Answer, ...]:
    """What a caller hands over of all questions, asked at once; it is not closed, as if killed."""
    config = CallerConfig(None, WriterConfig(), work_dir, replies_per_commit=1)
    caller = Caller(0, config)
    caller._writer = writer

    async def run() -> tuple[Answer, ...]:
        await caller.ask(questions)
        return (await caller.collect()).answers

    try:
        return asyncio.run(run())
    finally:
        caller._files.close()


def test_a_reply_without_a_pair_is_asked_again_and_both_are_handed_over(tmp_path: Path):
    writer = CannedWriter(CUT_OFF, GOOD)
    assert answers_of(tmp_path, writer, Question(SHA256, BODY, ())) == (
        Answer(SHA256, (CUT_OFF, GOOD)),
    )


def test_replies_that_the_driver_knows_count_as_attempts(tmp_path: Path):
    writer = CannedWriter(CUT_OFF)
    known = (CUT_OFF, CUT_OFF)
    answers = answers_of(tmp_path, writer, Question(SHA256, BODY, known))
    assert answers == (Answer(SHA256, (CUT_OFF,)),)  # the third, and the last that is asked for
    assert writer.num_asked == 1


def test_a_question_that_is_delivered_twice_is_asked_once(tmp_path: Path):
    writer = CannedWriter(GOOD, GOOD)
    question = Question(SHA256, BODY, ())
    assert len(answers_of(tmp_path, writer, question, question)) == 1
    assert writer.num_asked == 1


def test_a_caller_that_is_started_again_asks_for_nothing_that_has_arrived(tmp_path: Path):
    question = Question(SHA256, BODY, ())
    first = answers_of(tmp_path, CannedWriter(CUT_OFF, GOOD), question)
    writer = CannedWriter()
    assert answers_of(tmp_path, writer, question) == first
    assert writer.num_asked == 0


def test_the_next_driver_takes_over_what_callers_have_journalled(tmp_path: Path):
    answers_of(tmp_path, CannedWriter(CUT_OFF, GOOD), Question(SHA256, BODY, ()))
    journal = Journal(tmp_path / "journal.sqlite", replies_per_commit=1)
    take_over_callers(journal, tmp_path)
    assert journal.replies(SHA256) == [CUT_OFF, GOOD]
    assert not caller_journal(tmp_path, 0).exists()
    journal.close()
