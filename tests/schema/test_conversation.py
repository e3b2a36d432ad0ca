"""Literals, special tokens and the chat form."""

import pytest

from vargpt_schema import (
    IMAGE_GEN,
    IMAGE_GEN_END,
    IMAGE_GEN_PAD,
    IMAGE_GEN_START,
    PATCH_NUMS_7B,
    SYSTEM_SENTENCE,
    TOKEN_IDS_7B,
    Message,
    chat_text,
    expand_image_gen,
    num_image_codes,
)


def test_the_7b_preset_draws_an_image_in_680_codes():
    assert num_image_codes(PATCH_NUMS_7B) == 680
    assert num_image_codes((1, 2, 4)) == 21


def test_image_gen_expands_to_start_pads_and_end():
    assert expand_image_gen(f"A cat.{IMAGE_GEN}", (1, 2)) == (
        "A cat.<|image_gen_start|>"
        "<|image_gen_pad|><|image_gen_pad|><|image_gen_pad|><|image_gen_pad|><|image_gen_pad|>"
        "<|image_gen_end|>"
    )


def test_token_ids_are_those_of_the_official_checkpoint():
    assert TOKEN_IDS_7B["<image>"] == 32000
    assert (TOKEN_IDS_7B[IMAGE_GEN_START], TOKEN_IDS_7B[IMAGE_GEN_END]) == (32002, 32003)
    assert TOKEN_IDS_7B[IMAGE_GEN_PAD] == 32004


def test_chat_form_is_vicunas_and_a_last_question_leaves_the_answer_open():
    turns = [Message("user", "Hi."), Message("assistant", "Hello."), Message("user", "Bye.")]
    assert chat_text(turns) == (
        SYSTEM_SENTENCE + " USER: Hi. ASSISTANT: Hello.</s> USER: Bye. ASSISTANT:"
    )
    assert SYSTEM_SENTENCE.startswith("A chat between a curious user")


@pytest.mark.parametrize(
    "turns",
    [
        [],
        [Message("assistant", "Hello.")],
        [Message("user", "Hi."), Message("user", "Hi.")],
        [Message("system", "Hi.")],
    ],
)
def test_chat_form_refuses_turns_that_do_not_alternate(turns):
    with pytest.raises(ValueError, match="turns must alternate"):
        chat_text(turns)
