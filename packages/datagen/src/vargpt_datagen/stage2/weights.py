"""The weights file: how much of each OneVision subset the recipe takes, with a source for each."""

import hashlib
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from vargpt_datagen.printable import printable
from vargpt_datagen.stage2.mixture import CATEGORIES, IMAGE_GENERATION, Category
from vargpt_schema import UserError

SHIPPED = "onevision_weights.tsv"
COLUMNS = ("subset", "weight", "category", "source")
_CATEGORIES: dict[str, Category] = {name: name for name in CATEGORIES if name != IMAGE_GENERATION}


class Weight(NamedTuple):
    """One subset of the recipe."""

    subset: str
    weight: float  # up to 1 a fraction of the subset's rows, above 1 a number of rows
    category: Category
    source: str  # where the weight comes from

    def fraction(self, num_rows: int) -> float:
        """Fraction of a subset with so many rows; no row counts twice."""
        return min(self.weight if self.weight <= 1 else self.weight / max(num_rows, 1), 1.0)


class Weights(NamedTuple):
    """A whole file, by normal_name of the subset."""

    by_name: dict[str, Weight]
    name: str  # "shipped", or the file's path
    sha256: str


def read_weights(path: Path | None) -> Weights:
    """The weights of a file, by default the shipped ones. UserError for a line that is wrong."""
    if path is None:
        content = files("vargpt_datagen.stage2").joinpath(SHIPPED).read_bytes()
    else:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(
                f"--weights {path}: cannot be read ({error.strerror}), a file of tab-separated "
                f"values with the columns {', '.join(COLUMNS)} was expected. Check the path, or "
                "leave it out for the shipped one."
            ) from error
    shown = f"--weights {path or SHIPPED}"
    found: dict[str, Weight] = {}
    for line, weight in _weights(shown, content):
        name = normal_name(weight.subset)
        if name in found:
            raise UserError(
                f"{shown}, line {line}: subset {printable(weight.subset)} found again, each once "
                "was expected. Take one of the lines out."
            )
        found[name] = weight
    return Weights(
        found, "shipped" if path is None else str(path), hashlib.sha256(content).hexdigest()
    )


def normal_name(subset: str) -> str:
    """A subset's name as it is compared: `K12 Printing` and `k12-printing` are `k12_printing`."""
    return re.sub(r"[ -]", "_", subset.strip()).casefold()


def _weights(shown: str, content: bytes) -> Iterator[tuple[int, Weight]]:
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}: not UTF-8 ({error}). Save it as UTF-8.") from error
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.split("\t")]
        if not line.strip() or line.startswith("#") or tuple(cells) == COLUMNS:
            continue
        if len(cells) != len(COLUMNS):
            raise UserError(
                f"{shown}, line {number}: {len(cells)} columns found, {', '.join(COLUMNS)} were "
                "expected, with tabs between them. Correct the line."
            )
        yield number, _weight(f"{shown}, line {number}", *cells)


def _weight(where: str, subset: str, weight: str, category: str, source: str) -> Weight:
    if category not in _CATEGORIES:
        raise UserError(
            f"{where}: category {printable(category)!r} found, one of {', '.join(_CATEGORIES)} was "
            "expected. Correct it."
        )
    if not subset or not source:
        raise UserError(
            f"{where}: {'no subset' if not subset else 'no source'} found, the name of a OneVision "
            "config and where its weight comes from were expected. Write `assumed 1` if nothing "
            "is known."
        )
    value = float(weight) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", weight) else -1.0
    if value < 0 or (value > 1 and not value.is_integer()):
        raise UserError(
            f"{where}: weight {printable(weight)!r} found, a fraction from 0 to 1 or a whole "
            "number of rows was expected. Correct it."
        )
    return Weight(subset, value, _CATEGORIES[category], source)
