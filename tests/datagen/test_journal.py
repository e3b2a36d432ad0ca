"""The journal: what was committed is there again, whoever died meanwhile."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from vargpt_datagen.journal import Journal
from vargpt_datagen.reply import REFUSED, Reply
from vargpt_schema import UserError

REQUEST = "ab" * 32
REPLY = Reply("text", "stop", "fake-1", 10, 4, 5, 0.5)


def test_replies_come_back_in_order_of_attempt(tmp_path: Path):
    journal = Journal(tmp_path / "j", replies_per_commit=1)
    assert journal.was_empty
    journal.add(REQUEST, 2, REPLY._replace(text="second"))
    journal.add(REQUEST, 1, REPLY)
    journal.close()
    again = Journal(tmp_path / "j", replies_per_commit=1)
    assert not again.was_empty
    assert again.replies(REQUEST) == [REPLY, REPLY._replace(text="second")]
    assert again.replies("cd" * 32) == []


def test_the_first_reply_to_an_attempt_stays(tmp_path: Path):
    journal = Journal(tmp_path / "j", replies_per_commit=1)
    journal.add(REQUEST, 1, REPLY)
    journal.add(REQUEST, 1, REPLY._replace(text="other"))
    assert journal.replies(REQUEST) == [REPLY]


def test_groups_are_committed_when_full_and_at_the_end(tmp_path: Path):
    journal = Journal(tmp_path / "j", replies_per_commit=2)
    journal.add(REQUEST, 1, REPLY)
    assert Journal(tmp_path / "j", replies_per_commit=2).was_empty
    journal.add(REQUEST, 2, REPLY)
    assert not Journal(tmp_path / "j", replies_per_commit=2).was_empty
    journal.add(REQUEST, 3, REPLY)
    journal.close()
    assert len(Journal(tmp_path / "j", replies_per_commit=2).replies(REQUEST)) == 3


WRITE_AND_WAIT = """
import sys, time
from pathlib import Path
from vargpt_datagen.journal import Journal
from vargpt_datagen.reply import REFUSED, Reply
journal = Journal(Path(sys.argv[1]), replies_per_commit=1)
for number in range(500):
    journal.add(f"{number:064x}", 1, Reply(str(number), "stop", "fake-1", 1, 0, 1, None))
print("written", flush=True)
time.sleep(60)
"""


def test_a_committed_reply_survives_sigkill(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_AND_WAIT, str(tmp_path / "j")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "written\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    journal = Journal(tmp_path / "j", replies_per_commit=1)
    texts = [reply.text for number in range(500) for reply in journal.replies(f"{number:064x}")]
    assert texts == [str(number) for number in range(500)]


DAMAGED = r"the journal is damaged \(.*\)\. Move it away, .*: sqlite3 \S+/j \.recover$"


def test_a_file_that_is_no_journal_is_damaged_and_no_space_would_help(tmp_path: Path):
    (tmp_path / "j").write_bytes(b"not a database, and long enough to be looked at" * 20)
    with pytest.raises(UserError, match=DAMAGED) as raised:
        Journal(tmp_path / "j", replies_per_commit=1)
    assert "space" not in str(raised.value)


def test_another_database_is_no_journal(tmp_path: Path):
    with sqlite3.connect(tmp_path / "j") as database:
        database.execute("CREATE TABLE replies (a TEXT)")
        database.execute("INSERT INTO replies VALUES ('x')")
    database.close()
    with pytest.raises(UserError, match="a journal of format 0 found, this release writes 1"):
        Journal(tmp_path / "j", replies_per_commit=1)


def test_pages_damaged_under_an_open_journal_are_found_when_read(tmp_path: Path):
    journal = Journal(tmp_path / "j", replies_per_commit=500)
    for number in range(2_000):
        journal.add(f"{number:064x}", 1, REPLY)
    journal.close()
    Journal(tmp_path / "j", replies_per_commit=1).close()  # makes the index
    again = Journal(tmp_path / "j", replies_per_commit=1)
    content = bytearray((tmp_path / "j").read_bytes())
    content[4096 * 2 :] = b"\xa5" * (len(content) - 4096 * 2)
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(UserError, match=DAMAGED):
        for number in range(2_000):
            again.replies(f"{number:064x}")
    again.close()


def test_a_reply_that_is_no_text_is_damage(tmp_path: Path):
    journal = Journal(tmp_path / "j", replies_per_commit=1)
    journal.add(REQUEST, 1, REPLY)
    journal.close()
    with sqlite3.connect(tmp_path / "j") as database:
        database.execute("UPDATE replies SET text = CAST(x'ff' AS TEXT)")
    database.close()
    with pytest.raises(UserError, match=DAMAGED):
        Journal(tmp_path / "j", replies_per_commit=1).replies(REQUEST)


def test_a_folder_in_its_place_is_named(tmp_path: Path):
    (tmp_path / "j").mkdir()
    with pytest.raises(UserError, match="j: a folder found, the journal's file was expected"):
        Journal(tmp_path / "j", replies_per_commit=1)


def test_a_place_that_cannot_be_made_is_still_the_disks_fault(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"the journal cannot be written .*--work-dir"):
        Journal(tmp_path / "file" / "j", replies_per_commit=1)


def test_spent_usd_counts_replies_and_what_earlier_runs_risked(tmp_path: Path):
    first = Journal(tmp_path / "j", replies_per_commit=1)
    first.add(REQUEST, 1, REPLY)  # 0.5 USD
    first.note_at_risk(0.25)
    first.note_at_risk(0.125)  # the same run: its latest note counts
    first.close()
    second = Journal(tmp_path / "j", replies_per_commit=1)
    second.note_at_risk(1.0)
    assert second.spent_usd() == 0.5 + 0.125 + 1.0


def test_refusals_are_forgotten_where_nothing_was_ever_answered(tmp_path: Path):
    journal = Journal(tmp_path / "j", replies_per_commit=1)
    refusal = REPLY._replace(finish_reason=REFUSED)
    journal.add(REQUEST, 1, refusal)
    journal.forget_lone_refusals()
    assert journal.replies(REQUEST) == []
    journal.add(REQUEST, 1, refusal)
    journal.add("ab" * 32, 1, REPLY)
    journal.forget_lone_refusals()
    assert journal.replies(REQUEST) == [refusal]


def test_usage_counts_every_reply_once_and_tells_of_missing_prices(tmp_path: Path):
    journal = Journal(tmp_path / "j", replies_per_commit=1)
    journal.add(REQUEST, 1, REPLY)
    journal.add(REQUEST, 1, REPLY)  # merged from another journal
    journal.add(REQUEST, 2, REPLY._replace(usd=None))
    assert journal.usage() == (20, 8, 10, 0.5, 2, 1)


def test_records_come_in_one_order_whatever_the_order_of_arrival(tmp_path: Path):
    keys = [(f"{number:064x}", attempt) for number in (3, 1, 2) for attempt in (2, 1)]
    journal = Journal(tmp_path / "j", replies_per_commit=1)
    for request_sha256, attempt in keys:
        journal.add(request_sha256, attempt, REPLY)
    found = [(record.request_sha256, record.attempt) for record in journal.records()]
    assert found == sorted(keys)


def test_replies_taken_over_are_looked_up_like_any_other(tmp_path: Path):
    first = Journal(tmp_path / "first", replies_per_commit=1)
    first.add(REQUEST, 1, REPLY)
    second = Journal(tmp_path / "second", replies_per_commit=1)
    second.take_over(first.records())
    assert not second.was_empty
    assert second.replies(REQUEST) == [REPLY]
