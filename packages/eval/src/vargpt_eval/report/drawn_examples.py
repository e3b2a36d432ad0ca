"""Some drawn images with their dialogue, kept small in the run's folder for the report.

RUN/drawn/TASK.json     for each: what was asked, what the model said, its pictures as data
"""

from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vargpt_eval.generation.picture_file import picture_path
from vargpt_eval.report.thumbnail import is_thumbnail, thumbnail
from vargpt_eval.run_folder import read_object, write_json
from vargpt_schema import GENERATIONS, UserError

NUM_EXAMPLES = 16
_MAX_SIDE_PX = 160
_MAX_CHARACTERS = 400


class Part(NamedTuple):
    """A stretch of text, or a picture as a data URI."""

    text: str | None
    picture: str | None


class DrawnExample(NamedTuple):
    prompt: str
    parts: list[Part]


def write_drawn_examples(out: Path, task: str, generations: Path) -> None:
    """The same prompts for the same table; a source that is no `generations` table has none."""
    try:
        files = GENERATIONS.files(generations)
        tables = [(file, GENERATIONS.read(file).to_pylist()) for file in files]
    except UserError:
        return
    replies: dict[tuple[str, int], list[tuple[Path, dict[str, Any]]]] = defaultdict(list)
    for file, rows in tables:
        for row in rows:
            replies[row["prompt_id"], row["seed"]].append((file, row))
    keys = sorted(replies)
    picks = np.sort(np.random.default_rng(0).permutation(len(keys))[:NUM_EXAMPLES])
    examples = [_example(replies[keys[pick]]) for pick in picks]
    write_json(_path(out, task), {"examples": examples})


def read_drawn_examples(out: Path) -> list[DrawnExample]:
    """Those of the first task that has some."""
    for path in sorted((out / "drawn").glob("*.json")):
        try:
            return [
                DrawnExample(one["prompt"], [_shown(Part(**part)) for part in one["parts"]])
                for one in read_object(path)["examples"]
            ]
        except (AttributeError, KeyError, TypeError) as error:
            raise UserError(
                f"{path}: no examples of drawn images found ({error}), those of this release "
                "expected. Delete the file, and score the drawings again to have some."
            ) from error
    return []


def _shown(part: Part) -> Part:
    """Nothing but a PNG's own bytes is shown as a picture, whatever the file says."""
    if part.picture is None or is_thumbnail(part.picture):
        return part
    return Part("(picture cannot be read)", None)


def _path(out: Path, task: str) -> Path:
    return out / "drawn" / f"{task}.json"


def _example(parts: list[tuple[Path, dict[str, Any]]]) -> dict[str, Any]:
    ordered = sorted(parts, key=lambda one: one[1]["part_index"])
    return {
        "prompt": _short(ordered[0][1]["prompt"]),
        "parts": [_part(file, row)._asdict() for file, row in ordered],
    }


def _part(file: Path, row: dict[str, Any]) -> Part:
    if row["kind"] != "image":
        return Part(_short(row["text"] or ""), None)
    path = picture_path(file, row["image"], row["prompt_id"])
    if not path.is_file():
        return Part("(picture missing)", None)
    picture = thumbnail(path.read_bytes(), path.name, _MAX_SIDE_PX)
    return Part(None, picture) if picture else Part("(picture cannot be read)", None)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}..."
