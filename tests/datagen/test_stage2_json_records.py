"""A large JSON array read record by record, and every way in which it can be broken."""

import json
import tracemalloc
from pathlib import Path

import pytest

from vargpt_datagen.stage2 import json_records as module
from vargpt_datagen.stage2.json_records import json_records
from vargpt_schema import UserError


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "records.json"
    path.write_bytes(text.encode(encoding, "surrogatepass"))
    return path


RECORDS = [{"id": number, "text": 'ä\u2028"\\ [,]{}' * number} for number in range(40)]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("chunk", [1, 7, 64, 1 << 22])
def test_records_come_whole_wherever_the_file_is_cut(indent, chunk, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_CHARACTERS", chunk)
    text = json.dumps(RECORDS, indent=indent, ensure_ascii=indent is None)
    assert list(json_records(written(tmp_path, text))) == RECORDS


@pytest.mark.parametrize("text", ["[]", " [ ]\n", "\ufeff[]"])
def test_an_empty_array_has_no_records(text, tmp_path: Path):
    assert list(json_records(written(tmp_path, text))) == []


@pytest.mark.parametrize("chunk", [1, 1 << 22])
def test_numbers_and_constants_are_read_to_their_end(chunk, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_CHARACTERS", chunk)
    assert list(json_records(written(tmp_path, "[12345, true, null, -1.5e3]"))) == [
        12345,
        True,
        None,
        -1500.0,
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "broken JSON after record 0, character 0 (the file ends)"),
        ('{"id": 1}', "after record 0, character 0 ('{' where '[' belongs)"),
        ('[{"id": 1}', "after record 1, character 10 (the file ends)"),
        ('[{"id": 1} {"id": 2}]', "after record 1, character 11 ('{' where ',' belongs)"),
        ('[{"id": 1}, {"id": }]', "after record 1, character 19 (Expecting value)"),
        ('[{"id": 1}, {"id": "cut', "after record 1, character 19 (Unterminated string"),
        ('[{"id": 1}, ]', "after record 1, character 12 (Expecting value)"),
        ('[{"id": 1}]\n[{"id": 2}]', "after record 1, character 12 (more text after the array)"),
        ('[{"id": 1}]\n{"id": 2}', "(more text after the array)"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
@pytest.mark.parametrize("chunk", [5, 1 << 22])
def test_what_is_broken_is_named_with_its_place(text, part, chunk, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_CHARACTERS", chunk)
    with pytest.raises(UserError) as caught:
        list(json_records(written(tmp_path, text)))
    assert part in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'records.json'}: broken JSON")


def test_a_string_that_never_ends_is_not_read_to_the_end_of_a_large_file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_CHARACTERS", 1_000)
    monkeypatch.setattr(module, "_MAX_RECORD_CHARACTERS", 10_000)
    path = written(tmp_path, '["' + "a" * 10_000_000)
    tracemalloc.start()
    with pytest.raises(UserError, match="Unterminated"):
        list(json_records(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_text_in_another_encoding_and_a_missing_file_are_named(tmp_path: Path):
    with pytest.raises(UserError, match="not UTF-8"):
        list(json_records(written(tmp_path, '["ä"]', "latin-1")))
    with pytest.raises(UserError, match="cannot be read \\(No such file"):
        list(json_records(tmp_path / "none.json"))


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_CHARACTERS", 10_000)
    path = written(tmp_path, json.dumps(["x" * 1_000] * 20_000))
    tracemalloc.start()
    assert sum(1 for _ in json_records(path)) == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000  # the file has 20 MB
