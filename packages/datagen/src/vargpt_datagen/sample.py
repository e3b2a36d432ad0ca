"""`datagen sample`: a sheet of rows for a person to judge, and its verdicts read back."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from vargpt_datagen.build_rows import (
    BuildRow,
    num_rows_of,
    rows_at,
    rows_with_ids,
    seeded_numbers,
)
from vargpt_datagen.folder import disk_faults_are_said, write_text
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.printable import printable
from vargpt_datagen.review import VERDICTS, Judged, Review, review_of, write_review
from vargpt_schema import UserError

SHEET = "review.csv"
COLUMNS = ("sample_id", "image", "caption", "prompt", "answer", "verdict", "note")

_FORMULA_MARKS = "=+-@\uff1d\uff0b\uff0d\uff20"  # the wide forms count in some spreadsheets
_NUMBER = re.compile(r"\d+(e\d+)?")


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
    with disk_faults_are_said(folder):
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
    review = review_of(verdicts, rows)
    with disk_faults_are_said(folder):
        write_review(folder, review)
    return review


def _cells(row: BuildRow) -> tuple[str, ...]:
    return (row.sample_id, row.image or "", row.caption or "", row.prompt, row.answer, "", "")


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula or a number; ids may look like 12e45678."""
    text = printable(text)
    is_risky = text.lstrip()[:1] in tuple(_FORMULA_MARKS) or _NUMBER.fullmatch(text)
    return f"'{text}" if is_risky else text


def _verdicts(sheet: Path) -> dict[str, Judged]:
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
    found: dict[str, Judged] = {}
    for row in _rows(reader, sheet):
        sample_id, verdict, note = (
            (row[name] or "").strip() for name in ("sample_id", "verdict", "note")
        )
        sample_id = sample_id.removeprefix("'")
        if not any((sample_id, verdict, note)):
            continue  # spreadsheets add empty lines
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
        found[sample_id] = Judged(verdict.lower(), note)
    return found


def _rows(reader: "csv.DictReader[str]", sheet: Path) -> Iterator[dict[str, str | None]]:
    try:
        yield from reader
    except csv.Error as error:
        raise UserError(
            f"{sheet}, after line {reader.line_num}: not CSV ({error}), a review sheet was "
            "expected. Save it as CSV UTF-8."
        ) from error
