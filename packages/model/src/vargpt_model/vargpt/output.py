"""What a training pass of VARGPT gives, and what its parts hand over."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor
from transformers.utils.generic import ModelOutput


class CodeRows(NamedTuple):
    """Images to draw as the LLM sees them, and what the decoder needs later."""

    rows: Tensor  # (N, L, H)
    condition: Tensor  # (N, C)


@dataclass
class VargptOutput(ModelOutput):
    """Losses of one batch: T labelled text positions, N drawn images of L codes, V codebook rows.

    Means are over this batch alone; the losses of single positions allow any other weighting.
    """

    loss: Tensor | None = None  # scalar: text_loss + image_loss_weight * image_loss
    text_loss: Tensor | None = None  # scalar, mean over T; 0 with gradient when T = 0
    image_loss: Tensor | None = None  # scalar, mean over N * L; 0 with gradient when N = 0
    text_losses: Tensor | None = None  # (T,) float32, in the order of the flattened labels
    code_losses: Tensor | None = None  # (N, L) float32, unshifted; None when N = 0
    text_targets: Tensor | None = None  # (T,) int64
    code_targets: Tensor | None = None  # (N, L) int64, also of images encoded in the pass
    text_logits: Tensor | None = None  # (T, vocabulary) float32
    code_logits: Tensor | None = None  # (N, L, V) float32; None when N = 0
