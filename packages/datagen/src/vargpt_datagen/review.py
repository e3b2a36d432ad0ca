"""What people made of a sample of a build's rows: counts, an interval, the bad ones."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from vargpt_datagen.build_rows import BuildRow
from vargpt_datagen.folder import write_text
from vargpt_schema import UserError

REVIEW = "review.json"
VERDICTS = ("good", "bad", "")

_Z_95 = 1.959963984540054  # two-sided 95 % point of the normal distribution


class NoteGroup(NamedTuple):
    """The rows judged bad with one note."""

    note: str
    rows: list["BadRow"]


class Judged(NamedTuple):
    """One line of a sheet."""

    verdict: str  # one of VERDICTS
    note: str


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

    def bad_by_note(self) -> list[NoteGroup]:
        """The bad rows by note, in their order."""
        groups = itertools.groupby(self.bad_rows, lambda row: row.note)
        return [NoteGroup(note, list(rows)) for note, rows in groups]

    def line(self) -> str:
        """Counts and interval in one line."""
        counts = f"{self.good:,} good, {self.bad:,} bad, {self.blank:,} blank of {self.rows:,} rows"
        if self.good_frac is None or self.low_frac is None or self.high_frac is None:
            return f"{counts}; nothing judged yet"
        return (
            f"{counts}; {self.good_frac:.1%} of the judged are good "
            f"(Wilson 95 % interval {self.low_frac:.1%} to {self.high_frac:.1%})"
        )


def review_of(verdicts: Mapping[str, Judged], rows: Mapping[str, BuildRow]) -> Review:
    """Sum up verdicts by sample id; `rows` holds each of them."""
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


def write_review(folder: Path, review: Review) -> None:
    """Write OUT/review.json."""
    found = asdict(review) | {"bad_rows": [row._asdict() for row in review.bad_rows]}
    write_text(folder / REVIEW, json.dumps(found, indent=2, ensure_ascii=False) + "\n")


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
    # At 0 and 1 the share is the bound itself, but for rounding.
    return min(max(centre - _Z_95 * reach, 0.0), share), max(
        min(centre + _Z_95 * reach, 1.0), share
    )
