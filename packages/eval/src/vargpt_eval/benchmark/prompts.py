"""What a model is asked about a row, word for word as lmms-eval's default settings ask it."""

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

Row = Mapping[str, Any]

SHORT = "\nAnswer the question using a single word or phrase."
LETTER = "\nAnswer with the option's letter from the given choices directly."
UNANSWERABLE = "\nWhen the provided information is insufficient, respond with 'Unanswerable'."
_MME_ENDING = " Please answer yes or no."
_MMMU_IMAGE = re.compile(r"<image (\d+)>")


def _short(row: Row) -> str:
    return row["question"] + SHORT


def _stripped_short(row: Row) -> str:
    return row["question"].strip() + SHORT


def _capitalized_short(row: Row) -> str:
    """TextVQA: all letters but the first become small, names too."""
    return row["question"].capitalize() + SHORT


def _unanswerable_short(row: Row) -> str:
    return row["question"] + UNANSWERABLE + SHORT


def _capitalized_unanswerable_short(row: Row) -> str:
    return row["question"].capitalize() + UNANSWERABLE + SHORT


def _as_it_is(row: Row) -> str:
    return row["question"]


def _mme(row: Row) -> str:
    return row["question"].strip().replace(_MME_ENDING, "") + SHORT


def _seed(row: Row) -> str:
    choices = [row[f"choice_{letter}"] for letter in "abcd"]
    return f"{row['question']}\n{_lettered(choices)}{LETTER}"


def _scienceqa(row: Row) -> str:
    context = f"Context: {row['hint']}\n" if row["hint"] else ""
    return f"{context}{row['question']}\n{_lettered(row['choices'])}{LETTER}"


def _mmbench(row: Row) -> str:
    """Options that are missing, or the text `nan`, are left out with their letters."""
    hint = f"{row['hint']} " if _is_there(row["hint"]) else ""
    options = [(letter, row.get(letter)) for letter in "ABCDE"]
    listed = "\n".join(
        f"{letter}. {option}" for letter, option in options if option and _is_there(option)
    )
    return f"{hint}{row['question']} There are several options:\n{listed}\n{LETTER}"


def _mmmu(row: Row) -> str:
    if row["question_type"] != "multiple-choice":
        return f"{row['question']}\n{SHORT}"
    return f"{row['question']}\n{_lettered(_mmmu_options(row))}\n{LETTER}"


def mmmu_image_columns(row: Row) -> list[str]:
    """Columns of the images that question and options name, in lmms-eval's order."""
    text = _mmmu(row)
    return sorted({f"image_{number}" for number in _MMMU_IMAGE.findall(text)})


def _mmmu_options(row: Row) -> list[str]:
    options = row["options"]
    held = ast.literal_eval(options) if isinstance(options, str) else options
    return [str(option) for option in held]


def _lettered(choices: list[str]) -> str:
    return "\n".join(f"{chr(ord('A') + place)}. {choice}" for place, choice in enumerate(choices))


def _is_there(value: Any) -> bool:
    """Not a missing value of the hub; an empty hint is there, and leaves its space."""
    return value is not None and value == value and value != "nan"


PROMPTS: dict[str, Callable[[Row], str]] = {
    "as_it_is": _as_it_is,
    "short": _short,
    "stripped_short": _stripped_short,
    "capitalized_short": _capitalized_short,
    "unanswerable_short": _unanswerable_short,
    "capitalized_unanswerable_short": _capitalized_unanswerable_short,
    "mme": _mme,
    "seed": _seed,
    "scienceqa": _scienceqa,
    "mmbench": _mmbench,
    "mmmu": _mmmu,
}
