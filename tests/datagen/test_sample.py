import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datagen.small_build import HOSTILE, row, write_build
from vargpt_datagen.review import read_review, wilson_interval
from vargpt_datagen.sample import read_review_sheet, write_review_sheet
from vargpt_schema import UserError

ROWS = [row(number) for number in range(8)]


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return write_build(tmp_path, ROWS)


def lines_of(sheet: Path) -> list[dict[str, str]]:
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_lines(path: Path, lines: list[dict[str, str]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, lines[0].keys(), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(lines)
    return path


def judged(build: Path, verdicts: list[tuple[str, str]], delimiter: str = ",") -> Path:
    """The build's sheet, its first lines filled with (verdict, note)."""
    lines = lines_of(write_review_sheet(build))
    for line, (verdict, note) in zip(lines, verdicts, strict=False):
        line |= {"verdict": verdict, "note": note}
    return write_lines(build / "judged.csv", lines, delimiter)


def test_a_sheet_holds_the_rows_of_the_seed_with_room_for_verdicts(build: Path):
    sheet = write_review_sheet(build, rows=3, seed=1)
    assert sheet == build / "review.csv"
    lines = lines_of(sheet)
    assert len(lines) == 3
    assert list(lines[0]) == [
        "sample_id",
        "image",
        "caption",
        "prompt",
        "answer",
        "verdict",
        "note",
    ]
    first = next(record for record in ROWS if record.sample_id == lines[0]["sample_id"])
    assert lines[0]["prompt"] == first.messages[0].content
    assert lines[0]["answer"] == f"Here is {first.caption}."
    assert {line["verdict"] for line in lines} == {""}
    before = sheet.read_bytes()
    assert write_review_sheet(build, rows=3, seed=1).read_bytes() == before


@pytest.mark.parametrize("mark", ["=", "+", "-", "@", " =", "\uff1d"])
def test_no_cell_is_a_formula(tmp_path: Path, mark: str):
    text = f"{mark}HYPERLINK(1)"
    build = write_build(tmp_path, [row(0, prompt=text, caption=text, answer=f"{text}.")])
    line = lines_of(write_review_sheet(build))[0]
    assert [line["prompt"], line["caption"]] == [f"'{text}", f"'{text}"]
    assert line["answer"] == f"'{text}."


def test_hostile_text_stays_inside_its_cell(tmp_path: Path):
    build = write_build(tmp_path, [row(0, prompt=f'a,"b";\n\t{HOSTILE}')])
    (line,) = lines_of(write_review_sheet(build))
    assert line["prompt"].startswith('a,"b";\\n\\t<script>')
    assert line["prompt"].isprintable()


def test_an_id_that_looks_like_a_number_survives_a_spreadsheet(tmp_path: Path):
    looks = [record for number in range(3_000) if _is_number((record := row(number)).sample_id)]
    assert looks, "some of 3,000 ids look like numbers"
    build = write_build(tmp_path, looks[:1])
    (line,) = lines_of(write_review_sheet(build))
    assert line["sample_id"] == f"'{looks[0].sample_id}"
    sheet = write_lines(tmp_path / "judged.csv", [line | {"verdict": "good"}])
    assert read_review_sheet(build, sheet).good == 1


def _is_number(sample_id: str) -> bool:
    try:
        float(sample_id)
    except ValueError:
        return False
    return True


def test_verdicts_are_counted_with_an_interval_and_kept_for_the_report(build: Path):
    sheet = judged(
        build, [("good", "")] * 3 + [("BAD ", "odd word"), ("Good", "fine"), ("bad", "")]
    )
    review = read_review_sheet(build, sheet)
    assert (review.rows, review.good, review.bad, review.blank) == (8, 4, 2, 2)
    assert review.good_frac == pytest.approx(4 / 6)
    assert [review.low_frac, review.high_frac] == pytest.approx([0.29999, 0.90323], abs=1e-5)
    assert [row.note for row in review.bad_rows] == ["", "odd word"]
    assert review.bad_rows[0].prompt.startswith("Please draw a small red circle")
    assert review.line() == (
        "4 good, 2 bad, 2 blank of 8 rows; 66.7% of the judged are good "
        "(Wilson 95 % interval 30.0% to 90.3%)"
    )
    assert read_review(build) == review
    assert json.loads((build / "review.json").read_text())["good"] == 4


def test_a_sheet_saved_with_semicolons_and_empty_lines_is_read(build: Path):
    sheet = judged(build, [("good", "")], delimiter=";")
    sheet.write_text(sheet.read_text() + ";;;;;;\n", "utf-8")
    assert read_review_sheet(build, sheet).good == 1


def test_a_sheet_without_verdicts_gives_no_share(build: Path):
    review = read_review_sheet(build, write_review_sheet(build))
    assert (review.blank, review.good_frac, review.low_frac) == (8, None, None)
    assert review.line().endswith("nothing judged yet")


@pytest.mark.parametrize("filled", [{"verdict": "good"}, {"note": "hm"}])
def test_a_sheet_that_holds_verdicts_or_notes_is_never_overwritten(build: Path, filled: dict):
    sheet = write_review_sheet(build)
    lines = lines_of(sheet)
    write_lines(sheet, [lines[0] | filled, *lines[1:]])
    before = sheet.read_bytes()
    with pytest.raises(UserError, match="it holds verdicts"):
        write_review_sheet(build)
    assert sheet.read_bytes() == before


def test_an_unknown_verdict_is_named_with_its_line(build: Path):
    sheet = judged(build, [("good", ""), ("goood", "")])
    with pytest.raises(UserError, match=r"judged\.csv, line 3: verdict 'goood' found"):
        read_review_sheet(build, sheet)


def test_an_id_of_another_build_is_refused(build: Path):
    lines = lines_of(write_review_sheet(build))
    sheet = write_lines(build / "other.csv", [lines[0] | {"sample_id": "feedfeedfeedfeed"}])
    with pytest.raises(UserError, match=r"'feedfeedfeedfeed' found \(1 such ids\)"):
        read_review_sheet(build, sheet)


def test_a_repeated_id_is_refused(build: Path):
    lines = lines_of(write_review_sheet(build))
    sheet = write_lines(build / "twice.csv", [lines[0], lines[0]])
    with pytest.raises(UserError, match=r"twice\.csv, line 3: sample_id .* found again"):
        read_review_sheet(build, sheet)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2\n", "column note, sample_id, verdict missing"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"", "missing"),
        (b"sample_id,verdict,note\n" + b"x" * 200_000, "after line 1: not CSV"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused(build: Path, content: bytes, words: str):
    sheet = build / "sheet.csv"
    sheet.write_bytes(content)
    with pytest.raises(UserError, match=words):
        read_review_sheet(build, sheet)


def test_a_missing_sheet_is_refused(build: Path):
    with pytest.raises(UserError, match="cannot be read"):
        read_review_sheet(build, build / "none.csv")


def test_a_damaged_review_is_refused(build: Path):
    (build / "review.json").write_text('{"rows": 3}')
    with pytest.raises(UserError, match="not a review"):
        read_review(build)


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_in_0_to_1(case: tuple[int, int]):
    good, judged_rows = case
    low, high = wilson_interval(good, judged_rows)
    assert 0 <= low <= good / judged_rows <= high <= 1
    assert low < high
