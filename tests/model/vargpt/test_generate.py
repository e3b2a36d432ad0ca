"""Replies: text and images in order, in batches of rows that do different things."""

from typing import Any

import pytest

from tests.model.vargpt.conftest import small_model
from tests.model.vargpt.replies import (
    CODE,
    END,
    END_OF_TURN,
    IMAGE,
    START,
    L,
    asks,
    kinds,
    options,
    same_parts,
    scripted,
)
from vargpt_schema import Message


@pytest.fixture(scope="module")
def model():
    return small_model()


def test_a_conversation_of_text_image_text_image_in_a_batch_of_four_prompts(model, processor):
    from vargpt_model.generation import answer

    prompts = ["draw a red circle", "hi", "draw a small blue square and say something", "x y"]
    replies = answer(
        model,
        processor,
        [asks(prompt) for prompt in prompts],
        seeds=[1, 2, 3, 4],
        options=options(min_images=2, max_images=2, temperature=1.0),
    )
    for reply in replies:
        assert kinds(reply)[:4] == ["TextPart", "ImagePart", "TextPart", "ImagePart"]
        assert all(image.pixels.shape == (3, 12, 12) for image in reply.images)
        assert all(image.code_ids.shape == (L,) for image in reply.images)
    assert len({tuple(reply.images[0].code_ids.tolist()) for reply in replies}) == 4


def test_a_row_says_and_draws_the_same_alone_and_in_any_batch(model, processor):
    from vargpt_model.generation import answer

    conversations = [asks("draw"), asks("a much longer request for a picture, please"), asks("no")]
    choice = options(min_images=2, temperature=1.0, max_part_tokens=4)
    together = answer(model, processor, conversations, seeds=[5, 6, 7], options=choice)
    order = [2, 0, 1]
    shuffled = answer(
        model,
        processor,
        [conversations[row] for row in order],
        seeds=[[5, 6, 7][row] for row in order],
        options=choice,
    )
    for row, conversation in enumerate(conversations):
        alone = answer(model, processor, [conversation], seeds=[5 + row], options=choice)[0]
        same_parts(alone, together[row])
        same_parts(alone, shuffled[order.index(row)])


def test_other_seeds_draw_other_images(model, processor):
    from vargpt_model.generation import answer

    first, second = answer(
        model, processor, [asks(), asks()], seeds=[1, 2], options=options(min_images=1)
    )
    assert first.parts[0] == second.parts[0]  # greedy text
    assert not first.images[0].code_ids.equal(second.images[0].code_ids)


def test_rows_that_draw_wait_for_rows_that_write_and_lose_nothing(model, processor, monkeypatch):
    from vargpt_model.generation import answer

    left = scripted(
        monkeypatch,
        [8, START, 9, START, 10, END_OF_TURN],
        [11, 12, 13, END_OF_TURN],
        [START, START, 14, END_OF_TURN],
        [END_OF_TURN],
    )
    replies = answer(model, processor, [asks()] * 4, seeds=range(4), options=options())
    said = [[getattr(part, "token_ids", "image") for part in reply.parts] for reply in replies]
    assert said == [
        [(8,), "image", (9,), "image", (10,)],
        [(11, 12, 13)],
        ["image", "image", (14,)],
        [],
    ]
    assert left == [[], [], [], []]
    assert [reply.finish_reason for reply in replies] == ["stop"] * 4


def ids_of_reply(reply):
    ids, codes = [], []
    for part in reply.parts:
        if hasattr(part, "code_ids"):
            ids += [START, *[CODE] * L, END]
            codes.append(part.code_ids)
        else:
            ids += part.token_ids
    return ids, codes


@pytest.mark.parametrize("positions", ["before_llm", "also_decoder"])
def test_inference_is_teacher_forcing_step_by_step(processor, monkeypatch, positions):
    """Code logits at every scale, and the words around images, equal those of the forward pass."""
    import torch

    from vargpt_model.drawing import DrawingConfig
    from vargpt_model.generation import answer
    from vargpt_model.generation.drawing_in_context import ImagesInContext

    model = small_model(decoder_positions=positions)
    model.config.training_condition = model.config.inference_condition
    seen = []
    own = ImagesInContext.code_logits
    monkeypatch.setattr(
        ImagesInContext,
        "code_logits",
        lambda self, hidden, scale: seen.append(own(self, hidden, scale)) or seen[-1],
    )
    prompts = [asks("draw a red circle"), asks("a longer request")]
    choice = options(
        min_images=2, max_images=2, drawing=DrawingConfig(guidance_scale=0, top_k=0, top_p=0)
    )
    replies = answer(model, processor, prompts, seeds=[1, 2], options=choice)
    logits = [torch.cat(seen[image * 3 : image * 3 + 3], dim=1) for image in range(2)]
    for row, (prompt, reply) in enumerate(zip(prompts, replies, strict=True)):
        asked = processor.encode(prompt).input_ids
        ids, codes = ids_of_reply(reply)
        assert len(codes) == 2
        whole = torch.tensor([asked + ids])
        labels = whole.masked_fill(whole == CODE, -100)
        labels[:, : len(asked)] = -100
        output = model(whole, labels=labels, image_code_ids=torch.stack(codes))
        for image in range(2):
            torch.testing.assert_close(
                output.code_logits[image], logits[image][row], atol=2e-4, rtol=1e-4
            )
        # Greedy words are the arg max of the forward pass, before and behind images alike.
        told = labels[0, 1:][labels[0, 1:] != -100]
        free = (told != START) & (told != END)
        banned = [0, 1, 3, 5, 6, START, END_OF_TURN]
        best = output.text_logits.index_fill(1, torch.tensor(banned), -torch.inf)
        best[:, len(processor.tokenizer) :] = -torch.inf
        assert best.argmax(dim=1)[free].tolist() == told[free].tolist()


def test_a_prompt_may_hold_images_to_understand_and_images_drawn_before(model, processor):
    import torch
    from PIL import Image

    from vargpt_model.generation import answer

    red, blue = (Image.new("RGB", (12, 12), colour) for colour in ("red", "blue"))
    talk = [
        Message("user", "<image> draw it"),
        Message("assistant", "here.<image_gen>"),
        Message("user", "and again?"),
    ]
    choice = options(min_images=1)
    codes = torch.arange(L)
    first, other_picture, other_codes, plain = answer(
        model,
        processor,
        [talk, talk, talk, asks()],
        [[red, codes], [blue, codes], [red, codes + 3], []],
        seeds=[1, 1, 1, 1],
        options=choice,
    )
    assert first != other_picture
    assert not first.images[0].code_ids.equal(other_picture.images[0].code_ids)
    assert not first.images[0].code_ids.equal(other_codes.images[0].code_ids)
    same_parts(plain, answer(model, processor, [asks()], seeds=[1], options=choice)[0])


def test_a_drawn_image_in_the_history_is_what_the_model_saw_when_it_drew(model, processor):
    """Reading a reply so far as a prompt continues it with the words that followed it."""
    import torch

    from vargpt_model.generation import answer, generate

    choice = options(min_images=1, max_images=1, max_part_tokens=4)
    whole: Any = answer(model, processor, [asks()], seeds=[3], options=choice)[0]
    before, image, behind = whole.parts
    ids = processor.encode(asks()).input_ids
    so_far = [*ids, *before.token_ids, START, *[CODE] * L, END]
    again: Any = generate(
        model,
        input_ids=torch.tensor([so_far]),
        image_code_ids=image.code_ids[None],
        seeds=[9],
        options=options(max_images=0, max_part_tokens=4),
        vocabulary_size=len(processor.tokenizer),
    )[0]
    assert again.parts[0].token_ids == behind.token_ids


def test_events_tell_of_words_scales_images_and_ends_in_order(model, processor, monkeypatch):
    from vargpt_model.generation import answer

    scripted(monkeypatch, [8, START, END_OF_TURN], [9, 10, END_OF_TURN])
    heard = []
    replies = answer(
        model, processor, [asks(), asks()], seeds=[1, 2], options=options(), on_event=heard.append
    )
    names = [(type(event).__name__, event.row) for event in heard]
    assert names == [
        ("TokenEvent", 0),
        ("TokenEvent", 1),
        ("ImageStartEvent", 0),
        ("TokenEvent", 1),
        ("EndEvent", 1),
        ("ScaleEvent", 0),
        ("ScaleEvent", 0),
        ("ScaleEvent", 0),
        ("ImageEvent", 0),
        ("EndEvent", 0),
    ]
    scales = [event for event in heard if type(event).__name__ == "ScaleEvent"]
    assert [event.scale for event in scales] == [0, 1, 2]
    assert [event.code_ids.numel() for event in scales] == [1, 4, 9]
    drawn = next(event for event in heard if type(event).__name__ == "ImageEvent")
    assert drawn.image is replies[0].parts[1]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_draws_finite_pictures_with_the_tokenizer_in_float32(processor, dtype):
    import torch

    from vargpt_model.generation import answer

    model = small_model().to(getattr(torch, dtype))
    reply = answer(
        model, processor, [asks(), asks("x")], seeds=[1, 2], options=options(min_images=2)
    )[0]
    assert kinds(reply)[:3] == ["TextPart", "ImagePart", "TextPart"]
    assert model.vae_local.quantize.embedding.weight.dtype == torch.float32


def test_sampled_words_depend_on_the_seed_and_stay_within_top_k(model, processor):
    from vargpt_model.generation import answer

    hot = options(temperature=2.0)
    first, second, again = answer(model, processor, [asks()] * 3, seeds=[1, 2, 1], options=hot)
    assert first.parts != second.parts
    assert first.parts == again.parts
    greedy = answer(model, processor, [asks()], seeds=[1], options=options())[0]
    narrow = answer(
        model, processor, [asks()], seeds=[1], options=options(temperature=2.0, top_k=1)
    )[0]
    assert narrow.parts == greedy.parts


def test_special_tokens_and_ids_without_words_are_never_chosen(processor):
    import torch

    from vargpt_model.generation import answer

    biased = small_model()
    with torch.no_grad():
        for id_ in (0, 1, IMAGE, END, CODE, 639):
            biased.language_model.lm_head.weight[id_].mul_(1e3)
    reply: Any = answer(
        biased, processor, [asks()], seeds=[1], options=options(temperature=1.0, max_images=0)
    )[0]
    assert not {0, 1, IMAGE, START, END, CODE, 639} & set(reply.parts[0].token_ids)


def test_images_that_a_model_wanted_and_may_not_open_are_counted(model, processor, monkeypatch):
    import torch

    from vargpt_model.generation import answer
    from vargpt_model.generation.language_state import LanguageState

    def logits(_, hidden):  # an image first, the end of the turn second
        wanted = torch.zeros(len(hidden), model.config.text.vocab_size)
        wanted[:, [START, END_OF_TURN]] = torch.tensor([2.0, 1.0])
        return wanted

    monkeypatch.setattr(LanguageState, "text_logits", logits)
    none = answer(model, processor, [asks()], seeds=[1], options=options(max_images=0))[0]
    assert (none.parts, none.num_images_refused) == ([], 1)
    one = answer(model, processor, [asks()], seeds=[1], options=options(max_images=1))[0]
    assert (len(one.images), one.num_images_refused) == (1, 1)
    three = answer(model, processor, [asks()], seeds=[1], options=options(max_images=3))[0]
    assert (len(three.images), three.num_images_refused) == (3, 1)


def test_the_model_trains_on_after_generating(processor):
    from vargpt_model.generation import answer

    model = small_model().train()
    answer(model, processor, [asks()], seeds=[1], options=options(min_images=1))
    assert model.training
    assert model.vargpt_gen.training
    assert not model.vae_local.training


def test_an_image_takes_one_pass_of_the_llm_a_scale_and_no_more(model, processor, monkeypatch):
    from vargpt_model.generation import answer
    from vargpt_model.generation.language_state import LanguageState

    lengths = []
    own = LanguageState._run

    def count(self, rows, embeds, counts):
        lengths.append(embeds.shape[1])
        return own(self, rows, embeds, counts)

    monkeypatch.setattr(LanguageState, "_run", count)
    scripted(monkeypatch, [8, START, END_OF_TURN])
    answer(model, processor, [asks()], seeds=[1], options=options())
    prompt = len(processor.encode(asks()).input_ids)
    # The prompt, one word, start and 1 code, 4 codes, 9 codes and end.
    assert lengths == [prompt, 1, 2, 4, 10]


def test_eager_attention_gives_what_sdpa_gives(processor):
    from vargpt_model.generation import answer

    model = small_model()
    choice = options(min_images=1)
    conversations = [asks("a longer one than the next"), asks("x")]
    sdpa = answer(model, processor, conversations, seeds=[1, 2], options=choice)
    model.language_model.set_attn_implementation("eager")
    eager = answer(model, processor, conversations, seeds=[1, 2], options=choice)
    for one, other in zip(sdpa, eager, strict=True):
        same_parts(one, other)
