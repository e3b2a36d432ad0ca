"""Reading a reply's text as a prompt and an answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vargpt_datagen.reply import Pair, Reply, Unusable, read_pair


def reply(text: str, finish_reason: str = "stop") -> Reply:
    return Reply(text, finish_reason, "fake-1", 0, 0, 0, 0.0)


def test_a_json_object_with_both_keys_is_a_pair():
    text = '{"prompt": "Draw a cat.", "answer": "A cat.", "mood": "calm"}'
    assert read_pair(reply(text)) == Pair("Draw a cat.", "A cat.")


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        ("", "stop", "blank"),
        ("   \n ", "stop", "blank"),
        ('{"prompt": " ", "answer": "A cat."}', "stop", "blank"),
        ('{"prompt": "Draw a c', "length", "cut_off"),
        ('{"prompt": "Draw.", "answer": "A cat."}', "content_filter", "refused"),
        ('{"prompt": "Draw a c', "stop", "malformed_json"),
        ('["Draw.", "A cat."]', "stop", "malformed_json"),
        ('"Draw."', "stop", "malformed_json"),
        ('{"prompt": "Draw."}', "stop", "malformed_json"),
        ('{"prompt": "Draw.", "answer": ["A cat."]}', "stop", "malformed_json"),
        ("<html>busy</html>", "stop", "malformed_json"),
        ("[" * 100_000, "stop", "malformed_json"),
        ('{"prompt": "Draw \\ud800.", "answer": "A cat."}', "stop", "malformed_json"),
    ],
)
def test_anything_else_is_unusable_with_a_reason(text, finish_reason, reason):
    found = read_pair(reply(text, finish_reason))
    assert isinstance(found, Unusable)
    assert found.reason == reason


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_no_text_makes_it_raise(text):
    assert isinstance(read_pair(reply(text)), (Pair, Unusable))
