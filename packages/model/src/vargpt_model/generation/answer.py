"""Conversations in, replies out: processor and model together."""

from collections.abc import Sequence
from typing import Any

from vargpt_model.generation.generate import generate
from vargpt_model.generation.options import GenerationOptions
from vargpt_model.generation.parts import OnEvent, Reply
from vargpt_model.processor import VargptProcessor
from vargpt_model.processor.processor import ImageOrCodes
from vargpt_model.vargpt import VargptForConditionalGeneration


def answer(
    model: VargptForConditionalGeneration,
    processor: VargptProcessor,
    conversations: Sequence[Sequence[Any]],
    images: Sequence[Sequence[ImageOrCodes]] | None = None,
    *,
    seeds: Sequence[int],
    options: GenerationOptions = GenerationOptions(),  # noqa: B008, frozen
    on_event: OnEvent | None = None,
) -> list[Reply]:
    """Answer B conversations that end with the user, row b from `seeds[b]`.

    Conversations and images are as the processor takes them. UserError when they do not match or
    do not fit the context.
    """
    features = processor(conversations, images).to(model.device)
    image_code_ids = features.get("image_code_ids")
    if "target_pixel_values" in features:
        image_code_ids = model.encode_images(features["target_pixel_values"])
    return generate(
        model,
        input_ids=features["input_ids"],
        attention_mask=features["attention_mask"],
        pixel_values=features.get("pixel_values"),
        image_code_ids=image_code_ids,
        seeds=seeds,
        options=options,
        decode=processor.text_of,
        vocabulary_size=len(processor.tokenizer),
        on_event=on_event,
    )
