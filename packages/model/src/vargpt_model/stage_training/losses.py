"""Losses of a step, each over its own count in the whole step, and the figures of a log line.

A step is cut into micro-batches and shared among ranks, and neither may change its gradient: a
mean of means would weigh a row by whom it shares a pass with.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vargpt_model.scales import scale_ranges
from vargpt_model.stage_training.config import CodeLoss
from vargpt_model.vargpt.output import VargptOutput
from vargpt_model.visual_decoder_training.code_metrics import code_weights


class Counts(NamedTuple):
    """Of a whole step, all ranks and micro-batches."""

    labels: int  # text positions that are predicted
    images: int  # to draw
    understood: int  # images
    positions: int
    padded_positions: int
    unreadable: int  # rows


class StepLoss:
    """Loss and figures of one step, micro-batch by micro-batch. S scales of L codes."""

    def __init__(
        self,
        counts: Counts,
        patch_nums: Sequence[int],
        *,
        image_loss_weight: float,
        code_loss: CodeLoss,
        device: torch.device,
        has_figures: bool,
    ) -> None:
        self.counts = counts
        self._ranges = scale_ranges(patch_nums)
        self._weights = code_weights(
            patch_nums, "scales" if code_loss == "per_scale" else "codes"
        ).to(device)
        self._image_loss_weight = image_loss_weight
        self._has_figures = has_figures
        # Sums of text loss, right tokens, weighted code loss; then S losses and S hits of codes.
        self._sums = torch.zeros(3 + 2 * len(self._ranges), device=device, dtype=torch.float64)

    def of(self, output: VargptOutput) -> Tensor:
        """This micro-batch's part of the step's loss, which is the sum of all parts.

        sum_t CE_t / T + w sum_n sum_l weight_l CE_nl / N over T labels and N images of the step.
        """
        assert output.text_losses is not None
        text_sum = output.text_losses.sum()
        loss = text_sum / max(self.counts.labels, 1)
        code_sum = None
        if output.code_losses is not None:
            code_sum = (output.code_losses * self._weights).sum()
            if self._image_loss_weight:
                loss = loss + self._image_loss_weight * code_sum / max(self.counts.images, 1)
        elif output.image_loss is not None:
            loss = loss + output.image_loss  # 0, and reaches every parameter
        if self._has_figures:
            self._add(output, text_sum, code_sum)
        return loss

    @torch.no_grad()
    def _add(self, output: VargptOutput, text_sum: Tensor, code_sum: Tensor | None) -> None:
        self._sums[0] += text_sum
        if output.text_logits is not None and output.text_targets is not None:
            self._sums[1] += (output.text_logits.argmax(dim=-1) == output.text_targets).sum()
        if code_sum is None or output.code_losses is None or output.code_logits is None:
            return
        self._sums[2] += code_sum
        hits = output.code_logits.argmax(dim=-1) == output.code_targets
        for scale, (start, end) in enumerate(self._ranges):
            self._sums[3 + scale] += output.code_losses[:, start:end].sum()
            self._sums[3 + len(self._ranges) + scale] += hits[:, start:end].sum()

    @property
    def sums(self) -> Tensor:
        """Of this rank; to be added up over ranks, in place."""
        return self._sums

    def figures(self) -> dict[str, Any]:
        """The step's log line, from the sums of all ranks; null where there was nothing."""
        counts, sums = self.counts, self._sums.tolist()
        num_scales = len(self._ranges)
        text_loss = sums[0] / counts.labels if counts.labels else None
        image_loss = sums[2] / counts.images if counts.images else None
        sizes = [(end - start) * counts.images for start, end in self._ranges]
        by_scale = [
            [total / size for total, size in zip(totals, sizes, strict=True)]
            if counts.images
            else None
            for totals in (sums[3 : 3 + num_scales], sums[3 + num_scales :])
        ]
        return {
            "loss": (text_loss or 0.0) + self._image_loss_weight * (image_loss or 0.0),
            "text_loss": text_loss,
            "image_loss": image_loss,
            "loss_by_scale": by_scale[0],
            "accuracy_by_scale": by_scale[1],
            "text_accuracy": sums[1] / counts.labels if counts.labels else None,
            "num_labels": counts.labels,
            "num_images": counts.images,
            "num_understood": counts.understood,
            "num_positions": counts.positions,
            "padding_frac": 1 - counts.positions / counts.padded_positions,
            "num_rows_unreadable": counts.unreadable,
        }
