"""Images to understand as the vision tower sees them: CLIP's preparation, cropped or padded."""

from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from vargpt_model.vargpt.config import UnderstandingAspect


def clip_preparation(image_size_px: int) -> CLIPImageProcessorPil:
    """Shorter side to `image_size_px` bicubic, centre crop, CLIP's mean and deviation."""
    return CLIPImageProcessorPil(
        size={"shortest_edge": image_size_px},
        crop_size={"height": image_size_px, "width": image_size_px},
    )


def understood_pixels(
    images: Sequence[Image.Image], preparation: CLIPImageProcessorPil, aspect: UnderstandingAspect
) -> Tensor:
    """RGB images -> (U, 3, h, w). `crop` loses the longer side's ends (llava-hf and the official
    code); `pad` adds bars of CLIP's mean colour first (LLaVA-1.5).
    """
    if aspect == "pad":
        mean = [round(255 * channel) for channel in np.asarray(preparation.image_mean)]
        images = [_squared(image, (mean[0], mean[1], mean[2])) for image in images]
    return preparation(list(images), return_tensors="pt")["pixel_values"]


def _squared(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    side = max(image.size)
    square = Image.new("RGB", (side, side), colour)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square
