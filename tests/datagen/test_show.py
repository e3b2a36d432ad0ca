from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datagen.fakes import few_parts
from tests.datagen.small_build import HOSTILE, reject, row, write_build
from vargpt_datagen.dry_run import dry_run_text
from vargpt_datagen.pools import shipped_seeds, shipped_shot_pairs
from vargpt_datagen.printable import printable, printable_lines
from vargpt_datagen.request import Pools, RequestWriter
from vargpt_datagen.show import show_text
from vargpt_schema import INSTRUCT, UserError

ROWS = [row(number) for number in range(8)]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    rejects = [reject("markup"), reject("blank", prompt=None, answer=None, text="")]
    return write_build(tmp_path, ROWS, rejects, shards=3)


def test_a_row_is_shown_with_its_texts_and_what_it_was_made_from(build: Path):
    lines = show_text(build, sample_id=ROWS[4].sample_id).splitlines()
    assert lines[0] == f"row 4  {ROWS[4].sample_id}"
    assert "  image         world/00000004.png" in lines
    assert "  caption       a small red circle number 4" in lines
    assert "  user          Please draw a small red circle number 4." in lines
    assert "  assistant     Here is a small red circle number 4.<image_gen>" in lines
    assert (
        "  prompt seed   prompt-001  Ask as a friend would in a chat, in one short question."
        in (lines)
    )
    assert any(
        line.startswith("  shot          pair-002@world-00000002  Hi, can you") for line in lines
    )
    assert lines[-1] == "  written by    offline-writer-1, reply 1"


def test_texts_of_other_seeds_are_not_taken_for_the_shipped_ones(tmp_path: Path):
    seeds = {"generators": ["some-llm"], "counts": {"prompt": 1, "caption": 1, "answer": 3}}
    build = write_build(tmp_path, ROWS, manifest={"seeds": seeds})
    assert "  prompt seed   prompt-001\n" in show_text(build, rows=1)


def test_the_same_seed_shows_the_same_rows_and_no_row_twice(build: Path):
    shown = show_text(build, rows=5, seed=3)
    assert show_text(build, rows=5, seed=3) == shown
    heads = [line for line in shown.splitlines() if line.startswith("row ")]
    assert len(set(heads)) == len(heads) == 5
    assert show_text(build, rows=5, seed=4) != shown


def test_more_rows_than_there_are_shows_all_in_order(build: Path):
    heads = [line for line in show_text(build, rows=99).splitlines() if line.startswith("row ")]
    assert heads == [f"row {number}  {record.sample_id}" for number, record in enumerate(ROWS)]


def test_rejects_are_shown_by_reason_with_what_the_writer_said(build: Path):
    text = show_text(build, reason="blank")
    assert "  reason        blank: the words at fault\n" in text
    assert "  raw reply     (blank)\n" in text
    assert "markup" not in text
    assert show_text(build, rejects=True, rows=9).count("reject  world-00000007") == 2


def test_a_build_without_rejects_says_so(tmp_path: Path):
    assert show_text(write_build(tmp_path, ROWS), rejects=True) == "no rejects"


def test_no_text_of_the_data_can_drive_the_terminal(tmp_path: Path):
    rows = [row(0, caption=HOSTILE, prompt=f"Draw\r\n\x07{HOSTILE}", answer=f"{HOSTILE}.")]
    build = write_build(tmp_path, rows, [reject("markup", text=HOSTILE, detail="\x9b0m\x00")])
    for text in (show_text(build), show_text(build, rejects=True)):
        assert all(line.isprintable() for line in text.split("\n"))
        assert "\\x1b[2J" in text
        assert "\\u202e" in text
    assert "\\r\\n\\x07" in show_text(build)


def test_a_forged_id_and_role_are_written_out(build: Path):
    (shard, *_) = sorted((build / "data").iterdir())
    table = INSTRUCT.read(shard)
    rows = table.to_pylist()
    for forged in rows:
        forged["sample_id"] = "\x1b[2J"
        forged["messages"][0]["role"] = "user\x07"
    pq.write_table(table.from_pylist(rows, schema=table.schema), shard)  # the writer would refuse
    text = show_text(build, rows=9)
    assert "row 0  \\x1b[2J" in text
    assert "  user\\x07 " in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_a_dry_run_writes_seeds_out_and_keeps_its_lines():
    plan, requests = few_parts()
    seeds = {
        kind: tuple(seed._replace(text="Ask\x1b[2J.") for seed in pool)
        for kind, pool in shipped_seeds().items()
    }
    pools = Pools(seeds=seeds, pairs=shipped_shot_pairs())
    hostile = RequestWriter(requests.source, pools, model="fake-1", shots="pairs")
    lines = dry_run_text(plan, hostile, 20, None).split("\n")
    assert "- The request: Ask\\x1b[2J." in lines
    assert all(line.isprintable() for line in lines)


@settings(derandomize=True, deadline=None)
@given(st.text())
def test_printable_text_has_no_character_that_does_more_than_print(text: str):
    assert printable(text).isprintable()
    assert all(line.isprintable() for line in printable_lines(text).split("\n"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample_id": "0123456789abcdef"}, "no row of"),
        ({"reason": "no_such"}, "one of blank, markup was expected"),
        ({"rows": 0}, "at least 1 was expected"),
        ({"sample_id": ROWS[0].sample_id, "rejects": True}, "one of them expected"),
    ],
)
def test_asking_for_what_is_not_there_is_one_line(build: Path, options: dict, words: str):
    with pytest.raises(UserError, match=words) as error:
        show_text(build, **options)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_no_build_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="this is no published build"):
        show_text(tmp_path)
