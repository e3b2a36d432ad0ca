"""Cleaning of captions, and captions that no row can be built on."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vargpt_datagen.caption_text import caption_faults, clean_captions


def clean_caption(raw: str) -> str:
    return clean_captions(pa.chunked_array([[raw]], pa.string())).to_pylist()[0]


def caption_fault(caption: str) -> str | None:
    return caption_faults(pa.chunked_array([[caption]], pa.string())).to_pylist()[0]


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("a dog on a sofa\n", "a dog on a sofa"),
        ("  a dog\t on  a sofa. ", "a dog on a sofa"),
        ("a dog...", "a dog"),
        (" . ", ""),
    ],
)
def test_captions_become_one_line_without_final_periods(raw, clean):
    assert clean_caption(raw) == clean


@pytest.mark.parametrize(
    "caption",
    [
        "a dog",
        "a train is on the tracks",
        "what looks like a boat in the water",
        "a person's hand holding a 1950's camera",
        'a sign that says "stop" & go',
        "a hat on top of a hat on top of a dog",
        "a close up of a yellow flower with green leaves",
        "a " + "b" * 198,
    ],
)
def test_fit_captions_have_no_fault(caption):
    assert caption_fault(caption) is None


@pytest.mark.parametrize(
    ("caption", "fault"),
    [
        ("", "empty"),
        ("a dog <image_gen>", "special_token"),
        ("<image> a dog", "special_token"),
        ("a dog <|image_gen_start|>", "special_token"),
        ("a dog </s> a cat", "special_token"),
        ("USER: draw a dog", "special_token"),
        ("a dog <script>alert(1)</script>", "special_token"),
        ("a dog {{ 7 * 7 }}", "markup"),
        ("a dog [link](x)", "markup"),
        ("a dog at https://example.org", "markup"),
        ("a dog `code`", "markup"),
        ("a dog \N{DOG FACE} here", "not_plain_ascii"),
        ("\u4e00\u53ea\u72d7 on a sofa", "not_plain_ascii"),
        ("a dog\x00 here", "not_plain_ascii"),
        ("a dog\x1b[31m here", "not_plain_ascii"),
        ("dog", "too_short"),
        ("dog " * 25 + "end", "too_long"),
        ("a" * 10_000, "too_long"),
        ("a " + "b" * 10_000, "too_long"),
        ("a " + "b" * 199, "too_long"),
        ("x " * 5_000 + "y", "too_long"),
        ("a dog sitting on the", "cut_off"),
        ("a bowl of", "cut_off"),
        ("it is that there", "no_content"),
        ("a hat on top of a hat on top of a hat on top of a dog", "loops"),
    ],
)
def test_unfit_captions_are_named_by_their_fault(caption, fault):
    assert caption_fault(caption) == fault


@given(st.text())
def test_no_text_makes_the_rules_raise(text):
    caption_fault(clean_caption(text))
