"""DINOv2 as an extractor (Stein et al. 2023, FD-DINOv2): the class token at 224 px."""

from pathlib import Path
from typing import Any

import torch
from transformers import Dinov2Model

from vargpt_eval.extracting.extractor import Features, Images
from vargpt_eval.extracting.pixels import as_batch, centre_square, normalized
from vargpt_eval.extracting.pretrained import open_pretrained, weights_sha256
from vargpt_eval.generation.known_files import DINOV2_ID

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SIDE_PX = 224


class Dinov2Extractor:
    """`class_token` of the last layer, for FD-DINOv2."""

    def __init__(self, model: Any, name: str, device: torch.device) -> None:
        self.name = name
        self.widths = {"class_token": int(model.config.hidden_size)}
        self._model, self._device = model.to(device).eval(), device

    @torch.inference_mode()
    def extract(self, images: Images) -> dict[str, Features]:
        """(B, height, width, 3) uint8 -> `class_token` (B, D) float32"""
        pixels = centre_square(as_batch(images, self._device), _SIDE_PX)
        states = self._model(pixel_values=normalized(pixels, _MEAN, _STD)).last_hidden_state
        return {"class_token": states[:, 0].float().cpu().numpy()}


def open_dinov2(folder: Path, device: torch.device) -> Dinov2Extractor:
    """UserError when the folder is no DINOv2 model."""
    model = open_pretrained(Dinov2Model, folder, title="DINOv2", hub_id=DINOV2_ID)
    return Dinov2Extractor(model, f"dinov2 {weights_sha256(folder)} 224 px", device)
