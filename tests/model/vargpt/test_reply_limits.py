"""Where a reply ends: limits of text, images and context, and options that are refused."""

from typing import Any

import pytest

from tests.model.vargpt.conftest import small_model
from tests.model.vargpt.replies import END_OF_TURN, L, asks, options, scripted
from vargpt_schema import UserError


@pytest.fixture(scope="module")
def model():
    return small_model()


def test_a_reply_that_owes_images_draws_where_it_would_have_ended(model, processor, monkeypatch):
    from vargpt_model.generation import answer

    scripted(monkeypatch, [8, END_OF_TURN, 9, 10, 11, END_OF_TURN])
    reply = answer(
        model,
        processor,
        [asks()],
        seeds=[1],
        options=options(min_images=2, max_images=2, max_part_tokens=2),
    )[0]
    assert [getattr(part, "token_ids", "image") for part in reply.parts] == [
        (8,),
        "image",
        (9, 10),
        "image",
    ]
    assert reply.finish_reason == "stop"


def test_a_text_part_at_its_limit_ends_the_reply(model, processor, monkeypatch):
    from vargpt_model.generation import answer

    scripted(monkeypatch, [8, 9, 10, 11])
    drawn = answer(model, processor, [asks()], seeds=[1], options=options(max_part_tokens=3))
    reply: Any = drawn[0]
    assert reply.parts[0].token_ids == (8, 9, 10)
    assert reply.finish_reason == "length"


def test_more_images_than_fit_end_the_reply_and_say_so(model, processor):
    from vargpt_model.generation import answer

    reply = answer(
        model,
        processor,
        [asks()],
        seeds=[1],
        options=options(min_images=50, max_images=50, max_part_tokens=1),
    )[0]
    prompt = len(processor.encode(asks()).input_ids)
    fitting = (256 - prompt) // (L + 2 + 1)
    assert len(reply.images) in (fitting, fitting - 1)
    assert reply.finish_reason == "context"


def test_text_ends_where_the_context_does(model, monkeypatch):
    import torch

    from vargpt_model.generation import generate

    scripted(monkeypatch, [8] * 20)
    reply: Any = generate(
        model,
        input_ids=torch.full((1, 253), 9),
        seeds=[1],
        options=options(max_part_tokens=100),
    )[0]
    assert reply.parts[0].token_ids == (8, 8, 8, 8)  # three are read, one more is only said
    assert reply.finish_reason == "context"


def test_prompts_that_leave_no_room_are_refused(model):
    import torch

    from vargpt_model.generation import generate

    with pytest.raises(UserError, match=r"prompt 0: 256 positions found, 1 to 255 expected"):
        generate(model, input_ids=torch.full((1, 256), 9), seeds=[1])


def test_another_number_of_seeds_than_prompts_is_refused(model):
    import torch

    from vargpt_model.generation import generate

    with pytest.raises(ValueError, match="1 prompts and 2 seeds"):
        generate(model, input_ids=torch.full((1, 4), 9), seeds=[1, 2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_part_tokens": 0}, "max_part_tokens must be at least 1"),
        ({"min_images": 3, "max_images": 2}, "min_images must be between 0 and max_images"),
        ({"temperature": -1.0}, "temperature and top_k must be at least 0"),
        ({"top_p": 1.5}, "top_p in"),
    ],
)
def test_options_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        options(**changes)
