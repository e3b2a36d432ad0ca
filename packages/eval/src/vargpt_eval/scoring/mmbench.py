"""MMBench: a question counts when every rotation of its options is answered right (Liu et al.).

lmms-eval asks a GPT judge where it can read no letter; here the static rule of lmms-eval 0.7.3
decides, in both profiles, and such answers are counted.
"""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vargpt_eval.scoring.choice_text import likeliest_letter
from vargpt_eval.scoring.item import BenchmarkItem, ItemScore
from vargpt_eval.scoring.profile import Profile

ROTATION_STEP = 1_000_000  # index = rotation * step + question
_LETTERS = "ABCDE"  # E, which no question offers, is read too
_AFFIXES = (
    *(("", ""), ("", "."), ("", ","), ("", ":"), ("", ")"), ("", ").")),
    *(("(", ")"), ("(", ")."), (":", ""), (":", ","), (":", "."), (":", ")"), (":", ").")),
)
_MAX_WORDS_BESIDE_A = 3  # in longer responses "A" may be the article
_GUESS_SEED = 2680  # lmms-eval's, for runs without a judge


class Rotation(NamedTuple):
    """One rotation of a question, answered."""

    row_index: int
    target: str
    prefetched: str | None  # read without the static rule


def score_mmbench(
    response: str,
    item: BenchmarkItem,
    profile: Profile,  # noqa: ARG001
) -> ItemScore:
    """One rotation by itself; `is_fallback` where only the static rule could read it."""
    options = mmbench_options(item)
    prefetched = prefetched_letter(response, options)
    if prefetched is not None:
        return ItemScore(prefetched, float(prefetched == item.targets[0]))
    letter = likeliest_letter(response, list(options))
    return ItemScore(letter, float(letter == item.targets[0]), is_fallback=True)


def mmbench_options(item: BenchmarkItem) -> dict[str, str]:
    """Letter to text of the options that are there; the hub's placeholder `nan` is a text."""
    named = zip("ABCD", item.options, strict=False)
    return {letter: option for letter, option in named if option is not None}


def prefetched_letter(response: str, options: Mapping[str, str]) -> str | None:
    """The one letter that stands as a word, bare or in `X.`, `(X)` and the like.

    Else the one option whose text the response holds. None when there is none or more than one.
    """
    words = response.split()
    for before, after in _AFFIXES:
        named = [letter for letter in _LETTERS if f"{before}{letter}{after}" in words]
        may_be_article = not before + after and "A" in words and len(words) > _MAX_WORDS_BESIDE_A
        if len(named) == 1 and not may_be_article:
            return named[0]
    lowered = response.lower()
    held = [letter for letter, option in options.items() if option.lower() in lowered]
    return held[0] if len(held) == 1 else None


def question_hits_guessing(rotations: Sequence[Rotation]) -> dict[int, bool]:
    """Question to whether all its rotations are right, as lmms-eval has it without a judge.

    Rotations that no letter could be read from are drawn from A to E. One generator runs through
    all questions in order, so one answer's draw hangs on all before it; given beside the score,
    never as the score. Questions without their first rotation are left out.
    """
    generator = random.Random(_GUESS_SEED)
    hits = {}
    for question, group in _groups(rotations).items():
        is_wrong = any(rotation.prefetched not in (None, rotation.target) for rotation in group)
        hits[question] = not is_wrong and all(
            rotation.prefetched is not None or _guess(generator) == rotation.target
            for rotation in group
        )
    return hits


def _guess(generator: random.Random) -> str:
    return _LETTERS[generator.randint(0, len(_LETTERS) - 1)]


def _groups(rotations: Sequence[Rotation]) -> dict[int, list[Rotation]]:
    groups: dict[int, list[Rotation]] = {}
    for rotation in sorted(rotations, key=lambda rotation: rotation.row_index):
        if rotation.row_index < ROTATION_STEP:
            groups[rotation.row_index] = []
        question = rotation.row_index % ROTATION_STEP
        if question in groups:
            groups[question].append(rotation)
    return groups
