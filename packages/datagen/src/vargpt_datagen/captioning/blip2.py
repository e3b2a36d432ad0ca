"""BLIP-2 writes captions: squares of pixels in, raw texts out.

B images of a batch    H, W height and width in px    N new tokens, padded    P prompt tokens
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import AutoImageProcessor, AutoTokenizer, Blip2ForConditionalGeneration
from transformers.utils import logging

from vargpt_datagen.captioning.decoding import Square
from vargpt_datagen.captioning.presets import Preset
from vargpt_datagen.printable import printable
from vargpt_schema import UserError

_DTYPES = {each: getattr(torch, each) for each in ("float16", "bfloat16", "float32")}


class RawCaption(NamedTuple):
    """What the model wrote of one image, and whether it was stopped by the token limit."""

    text: str
    is_at_limit: bool


class Captioner:
    """One BLIP-2 on one device."""

    def __init__(
        self,
        folder: Path,
        preset: Preset,
        *,
        prompt: str = "",
        dtype: str = "float32",
        device: str = "cpu",
    ) -> None:
        logging.disable_progress_bar()
        self._folder = folder
        self._preset = preset
        self._device = torch.device(device)
        self._model: Any = _loaded(folder, _DTYPES[dtype]).to(self._device)
        self._tokenizer = _from_pretrained(AutoTokenizer, folder)
        processor = _from_pretrained(AutoImageProcessor, folder, backend="pil")
        self.square = _square(processor, folder)
        # In float32 as the processor does it, then as the model takes it.
        mean = torch.tensor(processor.image_mean, device=self._device)
        std = torch.tensor(processor.image_std, device=self._device)
        self._scale = (processor.rescale_factor / std).view(1, 3, 1, 1)
        self._shift = (-mean / std).view(1, 3, 1, 1)
        self._input_ids = self._prompt_ids(prompt)  # (P,)
        self._end_ids = self._token_ids_that_end()

    def pixel_values(self, pixels: np.ndarray) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, 3, H, W) in the model's type."""
        images = torch.from_numpy(pixels).to(self._device).permute(0, 3, 1, 2)  # (B, 3, H, W)
        values = images.float() * self._scale + self._shift
        return values.to(self._model.dtype)

    @torch.inference_mode()
    def captions(self, pixels: np.ndarray) -> list[RawCaption]:
        """A caption for each of (B, H, W, 3) uint8.

        UserError when the device's memory is too small for so many.
        """
        batch_size = len(pixels)
        if not batch_size:
            return []
        input_ids = self._input_ids.expand(batch_size, -1)  # (B, P)
        try:
            output = self._model.generate(
                pixel_values=self.pixel_values(pixels),
                input_ids=input_ids,
                attention_mask=torch.ones_like(input_ids),
                max_new_tokens=self._preset.max_new_tokens,
                num_beams=self._preset.num_beams,
                do_sample=False,
                eos_token_id=self._end_ids,
            )
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"--batch-size {batch_size}: too many images at once for the memory of "
                f"{self._device}. What was done so far is kept: run the same command with "
                f"--batch-size {max(batch_size // 2, 1)}."
            ) from error
        if not self._is_encoder_decoder:  # whose output begins with what it was given
            output = output[:, input_ids.shape[1] :]  # (B, N)
        has_ended = torch.isin(output, torch.tensor(self._end_ids, device=output.device)).any(1)
        texts: Sequence[str] = self._tokenizer.batch_decode(output, skip_special_tokens=True)
        return [
            RawCaption(text, not ended)
            for text, ended in zip(texts, has_ended.tolist(), strict=True)
        ]

    @property
    def _is_encoder_decoder(self) -> bool:
        return bool(self._model.language_model.config.is_encoder_decoder)

    def _prompt_ids(self, prompt: str) -> Tensor:
        """(P,) image placeholders and prompt, as BLIP-2's processor and `generate` make them."""
        config = self._model.config
        image_token_id = config.image_token_index
        if image_token_id is None:
            raise UserError(
                f"{self._folder}: its config names no image token, as checkpoints before "
                "transformers 4.46 do not. Give a newer revision."
            )
        text_ids: list[int] = []
        if not prompt and (bos_id := getattr(config.text_config, "bos_token_id", None)) is not None:
            text_ids = [bos_id]
        text_ids = text_ids or self._tokenizer(prompt).input_ids or [self._ids_of_config()[0]]
        ids = [image_token_id] * config.num_query_tokens + text_ids
        return torch.tensor(ids, device=self._device)

    def _token_ids_that_end(self) -> list[int]:
        if self._preset.ends_at_newline and not self._is_encoder_decoder:
            newline_ids = self._tokenizer("\n", add_special_tokens=False).input_ids
            if len(newline_ids) == 1:
                return sorted({*newline_ids, *self._ids_of_config()})
        return self._ids_of_config()

    def _ids_of_config(self) -> list[int]:
        """Ids that end a caption by the checkpoint's own word."""
        text_config = self._model.config.text_config
        found: Any = self._model.generation_config.eos_token_id
        found = text_config.eos_token_id if found is None else found
        if found is None:
            raise UserError(
                f"{self._folder}: neither generation_config.json nor config.json names the token "
                "that ends a text (eos_token_id). Add it."
            )
        return list(found) if isinstance(found, list) else [found]


def device_of(local_rank: int) -> str:
    """The GPU of a process where there is one."""
    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{local_rank % torch.cuda.device_count()}"


def _loaded(folder: Path, dtype: torch.dtype) -> Any:
    model, report = _from_pretrained(
        Blip2ForConditionalGeneration, folder, dtype=dtype, output_loading_info=True
    )
    missing = sorted({*report["missing_keys"], *report["mismatched_keys"]})
    if missing:
        raise UserError(
            f"{folder}: {len(missing):,} tensors of a BLIP-2 are missing or have another shape "
            f"(first {printable(str(missing[0]))}), all were expected. Get the whole checkpoint."
        )
    return model.eval()


def _from_pretrained(kind: Any, folder: Path, **options: Any) -> Any:
    try:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    except Exception as error:  # transformers, tokenizers and safetensors raise many kinds
        reason = printable(str(error)).split("\n", 1)[0][:200]
        raise UserError(
            f"{folder}: cannot be loaded ({reason}), a BLIP-2 with its processor was expected. "
            "Get the whole checkpoint."
        ) from error


def _square(processor: Any, folder: Path) -> Square:
    size = processor.size
    if not size.get("height") or not size.get("width"):
        raise UserError(
            f"{folder}: its image processor has the size {dict(size)}, height and width were "
            "expected. Mend preprocessor_config.json."
        )
    return Square(int(size["height"]), int(size["width"]), int(processor.resample))
