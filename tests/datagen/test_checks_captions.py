"""What the rules must let through: the paper's own pairs, and captions of every odd kind."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_datagen.checks import RULES, Candidate, Shot, first_fault, normalise, normalise_answer

# VARGPT (arXiv 2501.12327): the two pairs of its Figure 15 (1).
PRINTED_PAIRS = [
    (
        "a colorful blue and yellow parrot sitting on a branch",
        "Hi, can you generate a photo of a colorful blue and yellow parrot perched on a branch?",
        "Here's the image of a blue and yellow parrot sitting on a branch.",
    ),
    (
        "a group of people standing around a barn",
        "Give me an image of several people gathered near a barn.",
        "I have created an image of a group of people standing around a barn. ",
    ),
]

# Its Figure 9 and the authors' demos: caption | prompt | answer, "{}" for the caption.
PRINTED_SAMPLES = Path(__file__).with_name("test_checks_printed_samples.txt").read_text("utf-8")

ODD_CAPTIONS = [
    "what looks like a boat",
    "a sign that says no parking",
    "a man sitting in front of a description board",
    "two hundred sheep",
    "a chatbot robot toy",
    "a person submerged underwater",
    "a man with a hat on his",
    "there is a dog on the sofa",
    "a photo of a",
    "the sky is blue",
    "an orange on an orange table",
    "a dog",
    "black and white photo of a man who cannot swim",
    "a t-shirt that says i'm sorry",
    "a list of names on a wall",
    "a small red circle at the top left on a white background",
]


@pytest.mark.parametrize(("caption", "prompt", "answer"), PRINTED_PAIRS)
def test_pairs_printed_in_the_paper_are_accepted(caption: str, prompt: str, answer: str):
    assert _fault(caption, prompt, answer) is None


@pytest.mark.parametrize("line", PRINTED_SAMPLES.splitlines())
def test_samples_printed_by_the_authors_are_accepted(line: str):
    caption, prompt, answer = (part.strip() for part in line.split("|"))
    answer = answer or "Here's a photo of {}."  # some are printed without their answer
    assert _fault(caption, prompt.format(caption), answer.format(caption)) is None


@pytest.mark.parametrize("caption", ODD_CAPTIONS)
@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Please create an image of {}.", "Here's the photo of {}."),
        ("I need {} in a photo.", "Sure, the image of {} is ready."),
        ("Could I see a picture showing {}?", "I have created a picture of {}!"),
    ],
)
def test_odd_captions_are_buildable(caption: str, prompt: str, answer: str):
    assert _fault(caption, prompt.format(caption), answer.format(caption)) is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  a  dog\u00a0asleep\t on\u2014a sofa ", "a dog asleep on-a sofa"),
        ("it\u2019s a \u201cdog\u201d\u2026", 'it\'s a "dog"...'),
        ("two\nlines", "two\nlines"),
        ("", ""),
    ],
)
def test_normalised_text_is_plain_and_keeps_newlines(raw: str, expected: str):
    assert normalise(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Here is a dog", "Here is a dog."),
        ("Here is a dog!", "Here is a dog."),
        ("Here is a dog...", "Here is a dog."),
        ("Here is a dog: ", "Here is a dog."),
        ("Do you like it?", "Do you like it?"),
        (" ", ""),
    ],
)
def test_normalised_answer_ends_with_one_full_stop(raw: str, expected: str):
    assert normalise_answer(raw) == expected


_TEXTS = st.text(max_size=80) | st.text("aA <image_gen>|*\"'.?!1\n\ud800\u00e9 ", max_size=40)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(prompt=_TEXTS, answer=_TEXTS, caption=_TEXTS, other=_TEXTS)
def test_no_text_makes_a_rule_raise(prompt: str, answer: str, caption: str, other: str):
    candidate = Candidate(
        prompt=normalise(prompt),
        answer=normalise_answer(answer),
        caption=caption,
        shots=(Shot(other, prompt, answer), Shot("", "", "")),
        seeds=(other, prompt),
    )
    for rule in RULES:
        assert rule(candidate) is None or isinstance(rule(candidate), str)


@settings(derandomize=True, deadline=None)
@given(_TEXTS)
def test_normalising_twice_changes_nothing_more(text: str):
    assert normalise(normalise(text)) == normalise(text)
    assert normalise_answer(normalise_answer(text)) == normalise_answer(text)


def _fault(caption: str, prompt: str, answer: str):
    return first_fault(
        Candidate(prompt=normalise(prompt), answer=normalise_answer(answer), caption=caption)
    )
