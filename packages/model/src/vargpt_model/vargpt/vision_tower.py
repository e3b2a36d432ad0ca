"""What sees the images to understand: CLIP's vision model, from transformers.

U images of P patches.
"""

from torch import Tensor, nn
from transformers import CLIPVisionModel

from vargpt_model.vargpt.config import VargptConfig


class VisionTower(nn.Module):
    """CLIP's vision model, one level deeper, where the official checkpoint has it."""

    def __init__(self, config: VargptConfig) -> None:
        super().__init__()
        self.vision_model = CLIPVisionModel(config.vision)

    def forward(self, pixel_values: Tensor, layer: int) -> Tensor:
        """Hidden states behind `layer`, CLS first: (U, 3, h, w) -> (U, 1 + P, width)"""
        found = self.vision_model(
            pixel_values=pixel_values.to(self.vision_model.dtype), output_hidden_states=True
        )
        return found.hidden_states[layer]
