"""Any image-text model of transformers as an answerer, LLaVA-1.5 in the form the authors ran."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from vargpt_eval.answering.answerer import Answer, Asked, message_parts
from vargpt_eval.counted import counted
from vargpt_schema import IMAGE, SYSTEM_SENTENCE, UserError

ChatForm = Literal["processor", "vicuna"]


class ImageTextAnswerer:
    """`vicuna` is the form that lmms-eval 0.3.0 gave LLaVA-1.5, with the system sentence;
    `processor` is the chat template stored with the model.
    """

    def __init__(self, model: Any, processor: Any, chat_form: ChatForm) -> None:
        self._chat_form = chat_form
        self._model, self._processor = model, processor
        self._tokenizer = processor.tokenizer
        self._tokenizer.padding_side = "left"  # answers start where prompts end
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._special = sorted(
            {*self._tokenizer.all_special_tokens, getattr(processor, "image_token", IMAGE)},
            key=len,
            reverse=True,
        )

    @torch.no_grad()
    def answers(self, asked: Sequence[Asked], max_new_tokens: int) -> list[Answer]:
        """As `Answerer.answers`; the questions are one padded batch."""
        texts = [self._text(one) for one in asked]
        images = [list(one.images) for one in asked]
        features = self._processor(
            text=texts, images=images if any(images) else None, padding=True, return_tensors="pt"
        ).to(self._model.device, self._model.dtype)
        made = self._model.generate(
            **features,
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
            pad_token_id=self._tokenizer.pad_token_id,
        )
        prompt_length = features["input_ids"].shape[1]
        return [self._answer(row) for row in made[:, prompt_length:].tolist()]

    def _text(self, asked: Asked) -> str:
        if self._chat_form == "vicuna":
            pieces = [self._as_plain_text(piece) for piece in asked.pieces]
            return f"{SYSTEM_SENTENCE} USER: {self._processor.image_token.join(pieces)} ASSISTANT:"
        # The model's own template puts what belongs between images and question.
        own = asked.pieces if asked.is_interleaved else [*("" for _ in asked.images), asked.prompt]
        content = message_parts([self._as_plain_text(piece) for piece in own])
        return self._processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )

    def _as_plain_text(self, prompt: str) -> str:
        """Special tokens that a question spells are broken by a space, so that they stay text."""
        for token in self._special:
            prompt = prompt.replace(token, f"{token[0]} {token[1:]}")
        return prompt

    def _answer(self, ids: list[int]) -> Answer:
        ends = self._model.generation_config.eos_token_id
        ends = set(ends) if isinstance(ends, list) else {ends}
        end = next((place for place, id_ in enumerate(ids) if id_ in ends), None)
        text_ids = ids if end is None else ids[:end]
        text = self._tokenizer.decode(text_ids, skip_special_tokens=True).strip()
        return Answer(text, "length" if end is None else "stop", len(text_ids))


def open_image_text_model(
    folder: Path,
    *,
    model_type: str,
    form: ChatForm,
    dtype: torch.dtype | None,
    device: torch.device,
) -> ImageTextAnswerer:
    """A downloaded model's folder; no code from it is run. UserError when it cannot be loaded."""
    try:
        opened: Any = AutoModelForImageTextToText.from_pretrained(
            folder, dtype=dtype or "auto", local_files_only=True, output_loading_info=True
        )
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError, RuntimeError, KeyError, TypeError, ImportError) as error:
        raise UserError(
            f"{folder}: architecture {model_type!r} cannot be loaded "
            f"({' '.join(str(error).split())[:300]}), an image-text model with its processor "
            "expected. Download the whole folder again."
        ) from error
    model, loading = opened
    missing = sorted(loading["missing_keys"])
    if missing:  # transformers draws them at random
        raise UserError(
            f"{folder}: {counted(len(missing), 'weight')} of {model_type!r} missing, the first "
            f"{missing[0]}; all expected. Download the whole folder again."
        )
    if getattr(processor, "tokenizer", None) is None:
        raise UserError(
            f"{folder}: no processor of images and text found, one expected beside the weights. "
            "Download the whole folder again."
        )
    if form == "processor" and processor.chat_template is None:
        raise UserError(
            f"{folder}: no chat template found, one expected beside the processor. "
            "Add chat_template.jinja, as the model's authors publish it."
        )
    return ImageTextAnswerer(model.to(device).eval(), processor, form)
