"""Files that are no export are refused with the row where they break."""

import json
from pathlib import Path

import pytest

from vargpt_datagen.export import read_export
from vargpt_schema import UserError

ROW = {"messages": [{"role": "user", "content": "q"}], "images": []}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ROW, ROW]),
        json.dumps([ROW, ROW], indent=2),
        f"  [\n{json.dumps(ROW)},\n\n{json.dumps(ROW)} ]\n",
        f"{json.dumps(ROW)}\n{json.dumps(ROW)}",
    ],
)
def test_any_layout_of_an_array_or_lines_is_read(text: str, tmp_path: Path):
    (tmp_path / "rows.json").write_text(text)
    found = read_export(tmp_path / "rows.json")
    assert found.to_pylist() == [ROW, ROW]


def test_rows_longer_than_one_reading_are_whole(tmp_path: Path):
    long = {"messages": [{"role": "user", "content": "é[{" * 1_000_000}], "images": []}
    (tmp_path / "rows.json").write_text(json.dumps([long, ROW, long]), "utf-8")
    assert read_export(tmp_path / "rows.json").to_pylist() == [long, ROW, long]


def test_an_empty_array_has_no_rows(tmp_path: Path):
    (tmp_path / "rows.json").write_text("[\n]\n")
    assert read_export(tmp_path / "rows.json").num_rows == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps([ROW])[:-1], "row 1: cannot be read"),
        (json.dumps([ROW, ROW])[:-9], "row 1: cannot be read"),
        (json.dumps([ROW]) + "]", "row 1: cannot be read"),
        (f"{json.dumps(ROW)}\n]", "row 1: cannot be read"),
        ("[3]", "row 0: cannot be read .int found"),
        ("\xff", "row 0: cannot be read"),
        ('[{"a": 1}]', "a row with the keys a found"),
        (json.dumps([ROW, {"messages": []}]), "a row of another form than the first"),
        (json.dumps([ROW, {**ROW, "images": 3}]), "a row of another form than the first"),
        (
            json.dumps([{"id": "1", "conversations": [{"from": "robot", "value": ""}]}]),
            "a row of another form than the first .KeyError",
        ),
    ],
)
def test_broken_files_are_refused(text: str, words: str, tmp_path: Path):
    (tmp_path / "rows.json").write_text(text, "latin-1")
    with pytest.raises(UserError, match=words):
        read_export(tmp_path / "rows.json")


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        read_export(tmp_path / "none.json")
