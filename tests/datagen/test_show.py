from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datagen.small_build import HOSTILE, reject, row, write_build
from vargpt_datagen.printable import printable, printable_lines
from vargpt_datagen.show import show_text
from vargpt_schema import UserError

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
