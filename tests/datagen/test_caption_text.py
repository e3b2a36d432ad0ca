"""Cleaning of captions, and captions that no row can be built on."""

import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_datagen.caption_text import caption_faults, clean_captions

# Python and Arrow know different releases of Unicode, so no code points that are unassigned here.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cn"]))
PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["a", "hat", "on", "of", "A", "THE", "it", "is", "dog", "hat on top of a "]
        ),
        st.sampled_from(["<", "|", "/", "x>", "_", "9", "USER:", "ASSISTANT:", "<image>"]),
        st.sampled_from(["&amp;", "http://", "{", ".", '"', " :", "\u00e9", "\u72d7"]),
        st.sampled_from([" ", "\n", "\x00", "\x1c", "\u2003"]),
        TEXT,
    ),
    max_size=40,
)
CUT_OFF = {"a", "an", "the", "of", "with", "in", "on", "and", "at", "to", "from", "by"}
STOP_WORDS = CUT_OFF | {"is", "are", "it", "this", "that", "there", "for", "or", "as"}


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


def cleaned_one_by_one(raw: str) -> str:
    """The rule for one caption in plain Python."""
    return re.sub(r"\s+", " ", raw).strip().rstrip(". ")


def fault_one_by_one(caption: str) -> str | None:
    """The rules for one caption in plain Python."""
    words = caption.lower().split(" ")
    trigrams = Counter(zip(words, words[1:], words[2:], strict=False))
    special = r"<\|?/?[A-Za-z_][^<>]{0,40}>|\b(?:USER|ASSISTANT):"
    markup = r"[<>{}\[\]|\\`*_#~^]|https?://|&[a-z]+;|\"\s*:"
    holds = {
        "empty": not caption,
        "special_token": re.search(special, caption),
        "not_plain_ascii": not caption.isascii() or not caption.isprintable(),
        "markup": re.search(markup, caption),
        "too_long": len(caption) > 200 or len(words) > 24,
        "too_short": len(words) < 2,
        "cut_off": words[-1] in CUT_OFF,
        "no_content": all(word in STOP_WORDS for word in words),
        "loops": len(words) >= 9 and max(trigrams.values()) >= 3,
    }
    return next((fault for fault, does_hold in holds.items() if does_hold), None)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(TEXT, PIECES.map("".join), PIECES.map(" ".join)), min_size=1))
def test_whole_columns_are_judged_as_each_caption_would_be(texts):
    raw = pa.chunked_array([texts], pa.string())
    clean = [cleaned_one_by_one(text) for text in texts]
    assert clean_captions(raw).to_pylist() == clean
    for judged in (texts, clean):
        faults = caption_faults(pa.chunked_array([judged], pa.string())).to_pylist()
        assert faults == [fault_one_by_one(text) for text in judged]


def test_chunks_and_blocks_do_not_matter():
    texts = ["a dog. ", None, "a  cat", "x", "a hat on top of a hat on top of a hat on top of it"]
    column = pa.chunked_array([texts[:2], [], texts[2:]] * 9_000, pa.string())
    clean = clean_captions(column)
    looping = texts[4]
    assert clean.to_pylist() == ["a dog", "", "a cat", "x", looping] * 9_000
    assert caption_faults(clean).to_pylist() == [None, "empty", None, "too_short", "loops"] * 9_000


def test_an_empty_column_is_clean():
    column = pa.chunked_array([], pa.string())
    assert caption_faults(clean_captions(column)).to_pylist() == []
