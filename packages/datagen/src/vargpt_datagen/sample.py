"""`datagen sample`: a sheet of rows for a person to judge, and the verdicts read back."""

import csv
import io
import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_schema import UserError

from vargpt_datagen.build_rows import (
    BuildRow,
    num_rows_of,
    rows_at,
    rows_with_ids,
    seeded_numbers,
)
from vargpt_datagen.folder import full_disk_is_said, write_text
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.printable import printable

SHEET = "review.csv"
REVIEW = "review.json"
COLUMNS = ("sample_id", "image", "caption", "prompt", "answer", "verdict", "note")
VERDICTS = ("good", "bad", "")

_FORMULA_MARKS = "=+-@\uff1d\uff0b\uff0d\uff20"  # the wide forms count in some spreadsheets
_Z_95 = 1.959963984540054  # two-sided 95 % point of the normal distribution


class BadRow(NamedTuple):
    """A row judged bad; its texts are the build's, not the sheet's."""

    sample_id: str
    note: str
    caption: str
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a sheet came to."""

    rows: int  # in the sheet
    good: int
    bad: int
    blank: int
    good_frac: float | None  # of the judged; None when nothing was judged
    low_frac: float | None  # Wilson 95 % interval of good_frac
    high_frac: float | None
    bad_rows: tuple[BadRow, ...]  # those with the most frequent note first

    def line(self) -> str:
        """Counts and interval in one line."""
        counts = f"{self.good:,} good, {self.bad:,} bad, {self.blank:,} blank of {self.rows:,} rows"
        if self.good_frac is None or self.low_frac is None or self.high_frac is None:
            return f"{counts}; nothing judged yet"
        return (
            f"{counts}; {self.good_frac:.1%} of the judged are good "
            f"(Wilson 95 % interval {self.low_frac:.1%} to {self.high_frac:.1%})"
        )


class _Verdict(NamedTuple):
    verdict: str  # one of VERDICTS
    note: str


def write_review_sheet(folder: Path, rows: int = 200, seed: int = 0) -> Path:
    """Write OUT/review.csv with a seeded choice of rows; returns its path.

    UserError when a sheet that holds verdicts or notes is there already.
    """
    read_manifest(folder)
    if rows < 1:
        raise UserError(f"--rows {rows}: at least 1 was expected. Give the rows to judge.")
    path = folder / SHEET
    if path.exists() and any(any(judged) for judged in _verdicts(path).values()):
        raise UserError(
            f"{path}: it holds verdicts, an empty or no sheet was expected. "
            f"Read them with `datagen sample DIR --read {SHEET}`, then rename the file."
        )
    chosen = rows_at(folder, seeded_numbers(num_rows_of(folder), rows, seed))
    sheet = io.StringIO()
    writer = csv.writer(sheet, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(text) for text in _cells(row)] for row in chosen)
    with full_disk_is_said(folder):
        write_text(path, "\ufeff" + sheet.getvalue())  # spreadsheets know UTF-8 by its mark
    return path


def read_review_sheet(folder: Path, sheet: Path) -> Review:
    """Read the verdicts of a sheet and write OUT/review.json, which the report shows.

    UserError, with the line, for a verdict that is not good, bad or blank, and for an id that is
    repeated or not the build's.
    """
    read_manifest(folder)
    verdicts = _verdicts(sheet)
    rows = {row.sample_id: row for row in rows_with_ids(folder, list(verdicts))}
    unknown = [sample_id for sample_id in verdicts if sample_id not in rows]
    if unknown:
        raise UserError(
            f"{sheet}: sample_id {printable(unknown[0])!r} found ({len(unknown)} such ids), ids of "
            f"{folder} were expected. Give the sheet that was made from this build."
        )
    review = _review(verdicts, rows)
    with full_disk_is_said(folder):
        text = json.dumps(_as_json(review), indent=2, ensure_ascii=False)
        write_text(folder / REVIEW, text + "\n")
    return review


def read_review(folder: Path) -> Review | None:
    """OUT/review.json; None when no sheet was read back yet. UserError when it is damaged."""
    path = folder / REVIEW
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
        bad_rows = tuple(BadRow(**row) for row in found.pop("bad_rows"))
        return Review(**found, bad_rows=bad_rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not a review ({error!r}), the verdicts of a sheet were expected. "
            "Delete it, or read the sheet again with `datagen sample DIR --read FILE`."
        ) from error


def wilson_interval(good: int, judged: int) -> tuple[float, float]:
    """Wilson score interval, 95 %, of a share; `judged` must be above 0."""
    share, z2 = good / judged, _Z_95**2
    centre = (share + z2 / (2 * judged)) / (1 + z2 / judged)
    reach = math.sqrt(share * (1 - share) / judged + z2 / (4 * judged**2)) / (1 + z2 / judged)
    return max(centre - _Z_95 * reach, 0.0), min(centre + _Z_95 * reach, 1.0)


def _cells(row: BuildRow) -> tuple[str, ...]:
    return (row.sample_id, row.image or "", row.caption or "", row.prompt, row.answer, "", "")


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = printable(text)
    return f"'{text}" if text.lstrip()[:1] in tuple(_FORMULA_MARKS) else text


def _verdicts(sheet: Path) -> dict[str, _Verdict]:
    """Verdict and note by sample id, in the sheet's order."""
    try:
        with sheet.open(encoding="utf-8-sig", newline="") as file:
            lines = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{sheet}: cannot be read ({error}), a review sheet in UTF-8 was expected. "
            "Check the path, or save it as CSV UTF-8."
        ) from error
    header = lines.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)  # some spreadsheets save with another one
    reader = csv.DictReader(io.StringIO(lines, newline=""), delimiter=delimiter)
    missing = {"sample_id", "verdict", "note"} - {*(reader.fieldnames or ())}
    if missing:
        raise UserError(
            f"{sheet}: column {', '.join(sorted(missing))} missing, the columns "
            f"{', '.join(COLUMNS)} were expected. Give a sheet that `datagen sample` wrote."
        )
    found: dict[str, _Verdict] = {}
    for row in reader:
        sample_id, verdict, note = (
            (row[name] or "").strip() for name in ("sample_id", "verdict", "note")
        )
        where = f"{sheet}, line {reader.line_num}"
        if verdict.lower() not in VERDICTS:
            raise UserError(
                f"{where}: verdict {printable(verdict)!r} found, good, bad or nothing was "
                "expected. Correct it; remarks belong in the column note."
            )
        if sample_id in found:
            raise UserError(
                f"{where}: sample_id {printable(sample_id)!r} found again, each row once was "
                "expected. Take one of the lines out."
            )
        found[sample_id] = _Verdict(verdict.lower(), note)
    return found


def _review(verdicts: dict[str, _Verdict], rows: dict[str, BuildRow]) -> Review:
    counts = Counter(judged.verdict for judged in verdicts.values())
    judged_rows = counts["good"] + counts["bad"]
    low, high = wilson_interval(counts["good"], judged_rows) if judged_rows else (None, None)
    bad = [
        BadRow(sample_id, judged.note, row.caption or "", row.prompt, row.answer)
        for sample_id, judged in verdicts.items()
        if judged.verdict == "bad" and (row := rows[sample_id])
    ]
    notes = Counter(row.note for row in bad)
    return Review(
        rows=len(verdicts),
        good=counts["good"],
        bad=counts["bad"],
        blank=counts[""],
        good_frac=counts["good"] / judged_rows if judged_rows else None,
        low_frac=low,
        high_frac=high,
        bad_rows=tuple(sorted(bad, key=lambda row: (-notes[row.note], row.note))),
    )


def _as_json(review: Review) -> dict[str, Any]:
    return asdict(review) | {"bad_rows": [row._asdict() for row in review.bad_rows]}
