"""The shipped shot pairs: forms, spread, and how they read once filled."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz, process

from vargpt_datagen.pools import ShotPair, shipped_shot_pairs
from vargpt_schema.world import caption_at

PAIRS = shipped_shot_pairs()
PROMPTS = [pair.prompt for pair in PAIRS]
ANSWERS = [pair.answer for pair in PAIRS]
IMPERATIVES = re.compile(
    r"(please |kindly |just )?(let|give|show|generate|create|make|get|put|help|render|imagine|send|"
    r"turn|compose|bring|capture|add|prepare|do|take|design|keep|visualise|provide|pass|try|go|use|"
    r"work|deliver|read|produce|be)\b",
    re.IGNORECASE,
)
STATEMENTS = re.compile(
    r"(i|i'd|i'm|i'll|we|it|it's|you|my|our|hello, i'm|an image|a photo|for tomorrow's)\b",
    re.IGNORECASE,
)
CAPTIONS = [
    "a person submerged underwater",
    "a train is on the tracks",
    "sunflowers in the field with a blue sky and clouds",
    "an old photo of an aircraft carrier in the water",
    *(caption_at(index) for index in range(40)),
]


def test_at_least_120_pairs_with_running_ids():
    assert len(PAIRS) >= 120
    assert [pair.pair_id for pair in PAIRS] == [f"pair-{n:03d}" for n in range(1, len(PAIRS) + 1)]


@pytest.mark.parametrize("forms", [PROMPTS, ANSWERS], ids=["prompts", "answers"])
def test_no_two_forms_nearly_repeat_each_other(forms: list[str]):
    lowered = [form.lower() for form in forms]
    ratios = process.cdist(lowered, lowered, scorer=fuzz.ratio)
    near = [(forms[i], forms[j]) for i in range(len(forms)) for j in range(i) if ratios[i, j] >= 85]
    assert near == []


def test_every_form_has_exactly_one_slot():
    for pair in PAIRS:
        assert re.findall(r"[{}]|\w+(?=})", pair.prompt)[1] in ("caption", "phrase"), pair
        assert re.findall(r"[{}]|\w+(?=})", pair.answer)[1] in ("caption", "phrase", "subject")
        assert (pair.prompt.count("{"), pair.answer.count("{")) == (1, 1), pair


def test_about_half_of_the_answers_shorten_the_caption():
    shortened = sum("{subject}" in answer for answer in ANSWERS)
    assert 0.35 <= shortened / len(ANSWERS) <= 0.65


def test_prompts_are_questions_imperatives_and_statements():
    questions = [p for p in PROMPTS if p.rstrip().endswith("?")]
    others = [p for p in PROMPTS if p not in questions]
    imperatives = [p for p in others if IMPERATIVES.match(p)]
    statements = [p for p in others if p not in imperatives and STATEMENTS.match(p)]
    assert len(questions) >= 0.25 * len(PROMPTS)
    assert len(imperatives) >= 0.25 * len(PROMPTS)
    assert len(statements) >= 0.15 * len(PROMPTS)
    assert len(others) - len(imperatives) - len(statements) >= 0.1 * len(PROMPTS)  # chat, notes


def test_prompts_range_from_terse_to_long():
    words = sorted(len(prompt.split()) - 1 for prompt in PROMPTS)  # the slot apart
    assert words[0] <= 3
    assert words[-1] <= 16  # a world caption of 24 words keeps a prompt within 40
    assert words[9 * len(words) // 10] - words[len(words) // 10] >= 6


def test_a_photo_of_is_no_habit():
    habit = sum("a photo of {" in prompt for prompt in PROMPTS)
    assert habit <= len(PROMPTS) / 3


def test_forms_are_plain_ascii_without_media_false_of_photographs():
    for form in [*PROMPTS, *ANSWERS]:
        assert re.fullmatch(r"[ -~]+", form), form
        assert not re.search(r'  |[<>|*_#"`]', form), form
        assert not re.search(r"paint|draw|sketch|illustrat|cartoon", form, re.IGNORECASE), form


def test_forms_add_no_colour_and_no_number():
    added = (
        r"\b(one|two|three|single|double|dozen|red|green|blue|yellow|black|white|brown|grey|gray|"
        r"orange|purple|pink|gold|golden|silver|\d+)\b"
    )
    assert [form for form in [*PROMPTS, *ANSWERS] if re.search(added, form.lower())] == []


def test_no_prompt_form_asks_about_a_picture():
    asking = r"\b(what|which|who|describe|how many|explain|tell)\b"
    assert [form for form in PROMPTS if re.search(asking, form.lower())] == []


def test_answer_forms_are_one_statement_without_offers():
    offers = r"let me know|would you like|feel free|anything else|if you want|hope you|image shows"
    for answer in ANSWERS:
        assert re.fullmatch(r"[A-Z][^.?!]*\.", answer), answer
        assert not re.search(offers, answer.lower()), answer


@pytest.mark.parametrize("caption", CAPTIONS)
def test_every_filled_pair_keeps_the_row_rules_of_length_and_form(caption: str):
    for pair in PAIRS:
        prompt, answer = pair.filled(caption)
        assert 4 <= len(prompt.split()) <= 40, prompt
        assert 4 <= len(answer.split()) <= 50, answer
        assert answer.endswith(".") and prompt != answer
        assert not re.search(r"[{}\n]|  ", prompt + answer), pair


def test_a_clause_becomes_a_noun_phrase_after_of_and_its_subject_in_a_short_answer():
    pair = ShotPair("x", "Give me a photo of {phrase}.", "Here is a photo of {subject}.")
    assert pair.filled("a train is on the tracks") == (
        "Give me a photo of a train on the tracks.",
        "Here is a photo of a train.",
    )


def test_braces_in_a_caption_are_data():
    pair = ShotPair("x", "Show me {phrase}.", "Done: {caption}.")
    assert pair.filled("a {subject} sign {caption} {0}") == (
        "Show me a {subject} sign {caption} {0}.",
        "Done: a {subject} sign {caption} {0}.",
    )


@settings(derandomize=True, deadline=None)
@given(st.text(max_size=60))
def test_any_caption_fills_every_form(caption: str):
    for pair in PAIRS[:20]:
        filled = pair.filled(caption)
        assert filled.prompt.startswith(pair.prompt.partition("{")[0])
        assert filled.answer.endswith(pair.answer.rpartition("}")[2])
