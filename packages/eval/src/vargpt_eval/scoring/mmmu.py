"""MMMU: letters read out of multiple-choice responses, open responses in `mmmu_open`.

Rules of the MMMU paper's evaluation (Yue et al. 2024) as both lmms-eval releases apply them.
"""

import hashlib
import json

from vargpt_eval.scoring.item import BenchmarkItem, ItemScore
from vargpt_eval.scoring.mmmu_open import is_open_right, open_candidates
from vargpt_eval.scoring.profile import Profile

_STRIPPED_IN_TURN = ",.!?;:'"
_MIN_WORDS_FOR_OPTION_TEXT = 6


def score_mmmu(response: str, item: BenchmarkItem, profile: Profile) -> ItemScore:  # noqa: ARG001
    """Items with options are multiple choice, the others open."""
    if not item.options:
        candidates = open_candidates(response)
        parsed = json.dumps(sorted(map(str, candidates)), ensure_ascii=False)
        return ItemScore(parsed, float(is_open_right(candidates, item.targets)))
    options = {chr(ord("A") + i): option or "" for i, option in enumerate(item.options)}
    letter = choice_letter(response, options)
    if letter is not None:
        return ItemScore(letter, float(letter in item.targets))
    guess = seeded_choice(item.sample_id, list(options))
    return ItemScore(guess, float(guess in item.targets), is_fallback=True)


def choice_letter(response: str, options: dict[str, str]) -> str | None:
    """The letter that a response names; None where lmms-eval would draw one at random.

    Looked for in turn: `(B)`, `B `, `B.`, and in responses of over five words an option's text.
    Of several letters the one named last, by the last ` B ` or `(B)` or option text.
    """
    text = response
    for mark in _STRIPPED_IN_TURN:
        text = text.strip(mark)
    text = f" {text} "
    for found, place in (("({})", "({})"), ("{} ", " {} "), ("{}.", " {} ")):
        named = [letter for letter in options if found.format(letter) in text]
        if named:
            return _last(named, {letter: text.rfind(place.format(letter)) for letter in named})
    if len(text.split()) >= _MIN_WORDS_FOR_OPTION_TEXT:
        lowered = text.lower()
        places = {letter: lowered.rfind(option.lower()) for letter, option in options.items()}
        named = [letter for letter, place in places.items() if place >= 0]
        if named:
            return _last(named, places)
    return None


def seeded_choice(sample_id: str, choices: list[str]) -> str:
    """The same choice for an item in every run, whatever was scored before it."""
    digest = hashlib.sha256(sample_id.encode()).digest()
    return choices[int.from_bytes(digest[:8], "big") % len(choices)]


def _last(named: list[str], places: dict[str, int]) -> str:
    """The name at the greatest place; the first of equals."""
    return max(named, key=lambda letter: places[letter])
