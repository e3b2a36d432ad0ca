"""CLIP (Radford et al. 2021): cosines of images and texts, from a downloaded folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoTokenizer, CLIPModel

from vargpt_eval.extracting.extractor import Images
from vargpt_eval.extracting.pixels import as_batch, centre_square, normalized
from vargpt_eval.extracting.pretrained import open_pretrained, weights_sha256
from vargpt_schema import UserError

_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_HUB_ID = "openai/clip-vit-large-patch14"
_SIZES = {768: "B", 1_024: "L", 1_280: "H", 1_664: "bigG"}  # by the vision tower's width


class TextMatch(NamedTuple):
    """Images set beside their texts."""

    cosines: NDArray[np.float32]  # (B,)
    num_truncated: int  # texts longer than the text tower reads


class ClipScorer:
    """One CLIP model in float32; `size` names it as papers do, such as ViT-L/14."""

    def __init__(self, model: Any, tokenizer: Any, name: str, device: torch.device) -> None:
        self.name = name  # with the weights' sha256
        vision = model.config.vision_config
        size = _SIZES.get(vision.hidden_size, f"{vision.hidden_size}")
        at = "" if vision.image_size == 224 else f"@{vision.image_size}"
        self.size = f"ViT-{size}/{vision.patch_size}{at}"
        self._model, self._tokenizer = model.to(device).eval(), tokenizer
        self._device = device
        self._max_tokens = model.config.text_config.max_position_embeddings

    @torch.inference_mode()
    def embedded(self, images: Images) -> Tensor:
        """(B, h, w, 3) -> (B, D), of length 1."""
        side_px = self._model.config.vision_config.image_size
        pixels = normalized(centre_square(as_batch(images, self._device), side_px), _MEAN, _STD)
        pooled = self._model.vision_model(pixel_values=pixels.to(self._model.dtype)).pooler_output
        return _unit(self._model.visual_projection(pooled))

    @torch.inference_mode()
    def match(self, embedded: Tensor, texts: Sequence[str]) -> TextMatch:
        """Cosine of each image with its own text."""
        lengths = [len(ids) for ids in self._tokenizer(list(texts)).input_ids]
        tokens = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        ).to(self._device)
        pooled = self._model.text_model(
            input_ids=tokens.input_ids, attention_mask=tokens.attention_mask
        ).pooler_output
        cosines = (embedded * _unit(self._model.text_projection(pooled))).sum(dim=1)
        return TextMatch(
            cosines.cpu().numpy(), sum(length > self._max_tokens for length in lengths)
        )


def open_clip(folder: Path, device: torch.device) -> ClipScorer:
    """UserError when the folder is no CLIP model or lacks its tokenizer."""
    model = open_pretrained(CLIPModel, folder, title="CLIP", hub_id=_HUB_ID)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (ValueError, OSError, RuntimeError, KeyError, TypeError) as error:
        raise UserError(
            f"{folder}: no tokenizer found ({' '.join(str(error).split())[:200]}), CLIP's expected "
            f"beside its weights. Get all with `hf download {_HUB_ID} --local-dir DIR`."
        ) from error
    return ClipScorer(model, tokenizer, f"clip {weights_sha256(folder)}", device)


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors.float(), dim=1)
