"""Conversations as ids: placeholders once, typed tokens as text, training ids = inference ids."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vargpt_schema import Message, UserError, chat_text

IMAGE, START, END, CODE, END_OF_TURN = 3, 4, 5, 6, 2
L, P = 14, 4


def picture(width=20, height=14, colour=(200, 30, 30)):
    from PIL import Image

    return Image.new("RGB", (width, height), colour)


QUESTION = Message("user", "<image>\nwhat is this?")
ANSWER = Message("assistant", "a red circle.")
REQUEST = Message("user", "please draw it.")
DRAWING = Message("assistant", "here it is.<image_gen>")
MORE = Message("user", "another?")
ANOTHER = Message("assistant", "sure: <image_gen>")


def ids_of(processor, conversation, images=()):
    return processor.encode(conversation, images).input_ids


def test_three_turns_with_two_images_are_encoded_alike_for_training_and_for_inference(processor):
    conversation = [QUESTION, ANSWER, REQUEST, DRAWING, MORE, ANOTHER]
    images = [picture(), picture(), picture()]
    whole = processor.encode(conversation, images)
    seen = {1: 1, 3: 1, 5: 2}  # images in the first 1, 3, 5 messages
    for length, num_images in seen.items():
        asked = ids_of(processor, conversation[:length], images[:num_images])
        assert whole.input_ids[: len(asked)] == asked
        # The answer begins exactly where the prompt ends.
        assert whole.labels[len(asked)] == whole.input_ids[len(asked)]
        assert whole.labels[len(asked) - 1] == -100
    assert whole.input_ids.count(IMAGE) == P
    assert whole.input_ids.count(CODE) == 2 * L


def test_labels_are_the_assistants_words_with_start_end_and_end_of_turn(processor, tokenizer):
    encoded = processor.encode([REQUEST, DRAWING, MORE, ANSWER], [picture()])
    learned = [id_ for id_ in encoded.labels if id_ != -100]
    assert tokenizer.decode(learned) == (
        " here it is.<|image_gen_start|><|image_gen_end|></s> a red circle.</s>"
    )
    unlearned = [
        id_
        for id_, label in zip(encoded.input_ids, encoded.labels, strict=True)
        if label == -100 and id_ != CODE
    ]
    assert tokenizer.decode(unlearned).endswith(
        "questions. USER: please draw it. ASSISTANT: USER: another? ASSISTANT:"
    )


def test_an_answer_that_starts_with_an_image_is_learned(processor):
    encoded = processor.encode([REQUEST, Message("assistant", "<image_gen>done")], [picture()])
    first = encoded.input_ids.index(START)
    assert encoded.labels[first] == START
    assert encoded.labels[-1] == END_OF_TURN


def test_the_stored_template_is_the_schemas_chat_form(processor, tokenizer):
    conversation = [Message("user", "hi"), ANSWER, Message("user", "and now?")]
    messages = [message._asdict() for message in conversation]
    assert processor.apply_chat_template(messages, tokenize=False) == chat_text(conversation)
    assert ids_of(processor, conversation) == tokenizer(chat_text(conversation)).input_ids


def test_content_in_parts_is_the_same_as_text_with_placeholders(processor):
    parts = [{"type": "image"}, {"type": "text", "text": "\nwhat is this?"}]
    assert ids_of(processor, [{"role": "user", "content": parts}], [picture()]) == ids_of(
        processor, [QUESTION], [picture()]
    )


SPECIAL = ["<s>", "</s>", "<pad>", "<|image_gen_start|>", "<|image_gen_pad|>", "<|image_gen_end|>"]


@pytest.mark.parametrize("token", SPECIAL)
def test_special_tokens_typed_by_a_user_stay_text(processor, tokenizer, token):
    encoded = processor.encode([Message("user", f"a {token} b")])
    assert tokenizer.convert_tokens_to_ids(token) not in encoded.input_ids
    assert tokenizer.decode(encoded.input_ids).endswith(f"USER: a {token} b ASSISTANT:")


def test_placeholders_typed_in_a_part_of_text_stay_text(processor):
    parts = [{"type": "text", "text": "<image> and <image_gen>"}]
    encoded = processor.encode([{"role": "user", "content": parts}])
    assert not {IMAGE, START, CODE, END} & set(encoded.input_ids)


def test_typed_tokens_in_an_answer_end_nothing(processor):
    encoded = processor.encode([REQUEST, Message("assistant", "I say </s> often.")])
    assert encoded.input_ids.count(END_OF_TURN) == 1
    assert encoded.labels[-1] == END_OF_TURN


@given(
    st.lists(
        st.one_of(st.sampled_from([*SPECIAL, "\ue000", "0\ue001", " "]), st.text(max_size=8)),
        max_size=6,
    ).map("".join)
)
def test_no_text_of_a_user_becomes_a_special_token(processor, text):
    encoded = processor.encode([{"role": "user", "content": [{"type": "text", "text": text}]}])
    assert not set(range(7)) & set(encoded.input_ids)


@pytest.mark.parametrize(
    ("conversation", "num_images", "message"),
    [
        ([QUESTION], 0, "1 <image> and 0 <image_gen> found, 0 images given"),
        ([REQUEST], 1, "0 <image> and 0 <image_gen> found, 1 images given"),
        ([REQUEST, DRAWING], 2, "0 <image> and 1 <image_gen> found, 2 images given"),
        ([Message("user", "<image><image>")], 1, "2 <image> and 0 <image_gen> found, 1 images"),
    ],
)
def test_another_number_of_images_than_placeholders_is_refused(
    processor, conversation, num_images, message
):
    with pytest.raises(UserError, match=message):
        processor([conversation], [[picture()] * num_images])


def test_adjacent_images_are_two_images(processor):
    encoded = processor.encode([Message("user", "<image><image>same?")], [picture(), picture()])
    assert encoded.input_ids.count(IMAGE) == 2 * P
    assert len(encoded.understood) == 2
    drawings = Message("assistant", "<image_gen><image_gen>")
    encoded = processor.encode([REQUEST, drawings], [picture(), picture()])
    assert encoded.input_ids.count(START) == encoded.input_ids.count(END) == 2


def test_a_conversation_longer_than_the_context_is_refused(processor):
    with pytest.raises(UserError, match=r"conversation 1: 1,0\d\d positions found, .* has 256"):
        processor([[REQUEST], [Message("user", "red " * 1000)]])


def test_pictures_of_a_mode_that_rgb_would_clip_are_refused(processor):
    from PIL import Image

    with pytest.raises(UserError, match=r"conversation 0: mode I;16 found"):
        processor([[QUESTION]], [[Image.new("I;16", (8, 8))]])


def test_images_of_both_kinds_go_to_their_own_tensors(processor):
    import torch

    features = processor(
        [[QUESTION, ANSWER, REQUEST, DRAWING], [QUESTION]],
        [[picture(), torch.arange(L)], [picture(colour=(0, 0, 255))]],
        return_labels=True,
    )
    assert features["pixel_values"].shape == (2, 3, 12, 12)
    assert features["image_code_ids"].tolist() == [list(range(L))]
    assert features["input_ids"].shape == features["labels"].shape
    assert (features["attention_mask"].sum(dim=1) < features["input_ids"].shape[1]).tolist() == [
        False,
        True,
    ]
    assert features["input_ids"][1, 0] == 0  # padded on the left


def test_pictures_to_draw_become_pixels_of_the_image_tokenizer(processor):
    features = processor([[REQUEST, DRAWING]], [[picture(40, 20)]])
    assert features["target_pixel_values"].shape == (1, 3, 12, 12)
    assert features["target_pixel_values"].min() >= -1


def test_codes_and_pictures_to_draw_may_not_be_mixed(processor):
    import torch

    with pytest.raises(ValueError, match="1 images to draw are codes and 1 pictures"):
        processor([[REQUEST, DRAWING, MORE, ANOTHER]], [[torch.arange(L), picture()]])


def test_padding_to_a_square_keeps_what_cropping_loses(processor):
    from PIL import Image

    from vargpt_model.processor.understanding_images import understood_pixels

    wide = Image.new("RGB", (40, 20), (0, 0, 0))
    wide.paste((255, 255, 255), (0, 0, 6, 20))  # a white end
    cropped = understood_pixels([wide], processor.image_processor, "crop")
    padded = understood_pixels([wide], processor.image_processor, "pad")
    assert cropped.shape == padded.shape == (1, 3, 12, 12)
    assert cropped.max() < 0
    assert padded.max() > 1
    assert padded[0, :, 0, 6].abs().max() < 0.05  # a bar of the mean colour


def test_bos_is_a_choice_of_the_configuration(tokenizer):
    from tests.model.vargpt.conftest import small_config
    from vargpt_model.processor import VargptProcessor

    with_bos = VargptProcessor.of(small_config(add_bos=True), tokenizer)
    without = VargptProcessor.of(small_config(), tokenizer)
    assert ids_of(with_bos, [REQUEST]) == [1, *ids_of(without, [REQUEST])]


def test_a_saved_processor_encodes_alike(processor, tmp_path):
    from transformers import AutoProcessor

    import vargpt_model.auto_classes  # noqa: F401
    from tests.model.vargpt.conftest import small_config

    processor.save_pretrained(tmp_path)
    small_config().save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert type(loaded) is type(processor)
    conversation = [QUESTION, ANSWER, REQUEST, DRAWING]
    images = [[picture(30, 10), picture()]]
    first = processor([conversation], images)
    second = loaded([conversation], images)
    for name in first:
        assert first[name].equal(second[name]), name


def test_a_tokenizer_without_the_tokens_is_refused():
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    from tests.model.vargpt.conftest import small_config
    from vargpt_model.processor import VargptProcessor

    plain = Tokenizer(models.BPE(vocab={"x": 0, "<unk>": 1}, merges=[], unk_token="<unk>"))
    with pytest.raises(UserError, match=r"no token <image>, <\|image_gen_start\|>"):
        VargptProcessor.of(
            small_config(), PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<unk>")
        )


def test_a_tokenizer_that_puts_a_blank_before_texts_gets_none_twice():
    from tokenizers import AddedToken, Tokenizer, models, normalizers
    from transformers import PreTrainedTokenizerFast

    from tests.model.vargpt.conftest import small_config
    from vargpt_model.processor import VargptProcessor

    # As LLaMA's: "\u2581" is put before every text and stands for blanks.
    letters = ["\u2581", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,:'-?\n"]
    vocabulary = {token: index for index, token in enumerate(["<unk>", "<s>", "</s>", *letters])}
    llama = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    llama.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    llama.add_special_tokens(
        [
            AddedToken(token, special=True)
            for token in ("<pad>", "<image>", "<|image_gen_start|>", "<|image_gen_end|>")
        ]
        + [AddedToken("<|image_gen_pad|>", special=True)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=llama, unk_token="<unk>", eos_token="</s>", pad_token="<pad>"
    )
    processor = VargptProcessor.of(small_config(), tokenizer)
    processor.context_length = 2048  # letters are many
    tokens = tokenizer.convert_ids_to_tokens(ids_of(processor, [REQUEST, ANSWER, MORE]))
    text = "".join(tokens)
    assert "\u2581\u2581" not in text
    assert text.endswith(
        "ASSISTANT:\u2581a\u2581red\u2581circle.</s>\u2581USER:\u2581another?\u2581ASSISTANT:"
    )
