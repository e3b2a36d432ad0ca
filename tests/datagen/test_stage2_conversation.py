"""Conversations of LLaVA and OneVision: roles, placeholders, literals that tokenizers know."""

import pytest

from vargpt_datagen.stage2.conversation import Conversation, Fault, Turn, conversation_of
from vargpt_schema import Message


def turns(*texts: object, first: str = "human") -> list[Turn]:
    speakers = ("human", "gpt") if first == "human" else ("gpt", "human")
    return [Turn(speakers[at % 2], text) for at, text in enumerate(texts)]


def test_all_turns_are_kept_word_for_word():
    found = conversation_of(turns("<image>\nWhat?", " A cat.\n", "Where?", "Here."), 1)
    assert found == Conversation(
        (
            Message("user", "<image>\nWhat?"),
            Message("assistant", " A cat.\n"),
            Message("user", "Where?"),
            Message("assistant", "Here."),
        ),
        (),
    )


def test_a_placeholder_after_the_text_stays_there():
    found = conversation_of(turns("What is this?\n<image>", "A cat."), 1)
    assert isinstance(found, Conversation)
    assert found.messages[0].content == "What is this?\n<image>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Put <image> here.", "Put < image> here."),
        ("<image_gen><image>", "< image_gen>< image>"),
        ("end</s>", "end< /s>"),
        ("<pad> <|image_gen_start|>", "< pad> < |image_gen_start|>"),
        ("<<image>", "<< image>"),
        ("<b>bold</b> a < b <images>", "<b>bold</b> a < b <images>"),
    ],
)
def test_literals_of_tokens_in_text_rows_lose_their_meaning(text, expected):
    found = conversation_of(turns("Say it.", text), 0)
    assert isinstance(found, Conversation)
    assert found.messages[1].content == expected
    assert found.changes == (("escaped",) if text != expected else ())


def test_the_placeholder_of_a_row_with_a_picture_stays_and_other_tokens_go():
    found = conversation_of(turns("<image> and <image_gen>", "Done.</s>"), 1)
    assert isinstance(found, Conversation)
    assert [message.content for message in found.messages] == [
        "<image> and < image_gen>",
        "Done.< /s>",
    ]


@pytest.mark.parametrize(
    ("spoken", "num_images", "fault"),
    [
        (turns("What?", "A cat."), 1, Fault("image_count", "0 <image> for 1 images")),
        (turns("<image><image>?", "No."), 1, Fault("image_count", "2 <image> for 1 images")),
        (turns("<image>?", "An <image>."), 1, Fault("image_in_answer", "1 <image> in answers")),
        (turns(), 0, Fault("no_turns", "0 turns")),
        (turns("Alone."), 0, Fault("no_turns", "1 turns")),
        (turns("What?", "  \n"), 0, Fault("empty_turn", "turn 2")),
        (turns("What?", None), 0, Fault("no_text", "None")),
        ([Turn("system", "Be kind.")], 0, Fault("unknown_role", "'system'")),
        ([Turn(None, "x")], 0, Fault("unknown_role", "None")),
        (
            [Turn("human", "a"), Turn("human", "b"), Turn("gpt", "c")],
            0,
            Fault("turn_order", "turn 2 of 3 is user"),
        ),
        (turns("half a pair \ud83d", "x"), 0, Fault("no_unicode", "surrogates not allowed")),
    ],
)
def test_what_cannot_be_a_row_says_why(spoken, num_images, fault):
    assert conversation_of(spoken, num_images) == fault


def test_an_answer_before_the_first_request_is_left_out():
    found = conversation_of(turns("Hello!", "What?", "A cat.", first="gpt"), 0)
    assert found == Conversation(
        (Message("user", "What?"), Message("assistant", "A cat.")), ("first_answer_left_out",)
    )


def test_a_last_request_without_an_answer_is_left_out():
    found = conversation_of(turns("What?", "A cat.", "And?"), 0)
    assert found == Conversation(
        (Message("user", "What?"), Message("assistant", "A cat.")), ("last_request_left_out",)
    )


def test_a_placeholder_in_a_turn_that_is_left_out_does_not_count():
    found = conversation_of(turns("What?", "A cat.", "And <image>?"), 1)
    assert found == Fault("image_count", "0 <image> for 1 images")
