"""Steps of stages 1, 2 and 3 at full size for benchmarks/gpu.py: rate, FLOP use, memory, ideas.

Forward and backward alone: on one GPU the optimizer's states of stage 2 would not fit beside them,
and on many they are sharded.
"""

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import torch
from plain_train import (
    densely_masked,
    freeze,
    model_at_random,
    our_drawing_loss,
    our_looking_loss,
    plain_drawing_loss,
    rows_at_random,
    seconds_of,
)
from torch import Tensor

from vargpt_model.stage_training.model_flops import StepFlops, stage_factors
from vargpt_model.stages import Stage
from vargpt_model.vargpt.presets import preset_7b, preset_tiny
from vargpt_model.visual_decoder import block

PEAK_FLOPS = 989e12  # of an H100 or H200 (SXM) in dense bf16, by its data sheet
Figures = Iterator[tuple[str, str, float, str]]  # name, predicted, measured, unit


def stage_figures(device: torch.device, dtype: torch.dtype, *, small: bool) -> Figures:
    """Rows of the table, one a figure."""
    config = (preset_tiny if small else preset_7b)()
    model = model_at_random(config, device, dtype).train()
    batch_size = 2 if small else 8
    rows = rows_at_random(model, batch_size, dtype)
    codes = model.encode_images(rows.target_pixel_values)
    repeats = 1 if small else 3

    def rate(loss: Callable[[], Tensor]) -> float:
        return batch_size / seconds_of(model, loss, repeats=repeats)

    predicted: dict[Stage, tuple[str, str, str]] = {
        "1": ("14", "45", "60"),
        "2": ("13", "45", "70"),
        "3": ("13", "45", "65"),
    }
    for stage, (rows_s, flop_use, peak) in predicted.items():
        freeze(model, stage)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        if stage == "2":
            measured = rate(lambda: our_looking_loss(model, rows))
            line: dict[str, Any] = {
                "num_positions": rows.looking_ids.numel(),
                "num_labels": int((rows.looking_labels >= 0).sum()),
                "num_images": 0,
                "num_understood": batch_size,
            }
        else:
            measured = rate(lambda: our_drawing_loss(model, rows, codes))
            line = {
                "num_positions": rows.drawing_ids.numel(),
                "num_labels": int((rows.labels >= 0).sum()),
                "num_images": batch_size,
            }
        yield f"7b stage {stage}, batch {batch_size}", rows_s, measured, "rows/s"
        factors = stage_factors(stage, image_loss_weight=0.0 if stage == "2" else 1.0)
        flops = StepFlops(config, factors, num_rows=batch_size).of(line) / batch_size
        use = 100 * flops * measured / PEAK_FLOPS
        yield f"7b stage {stage}, model FLOP use", flop_use, use, "%"
        if device.type == "cuda":
            peak_gb = torch.cuda.max_memory_allocated() / 1e9
            yield f"7b stage {stage}, peak", peak, peak_gb, "GB"
    freeze(model, "3")
    ideas: list[tuple[str, str, Callable[[], Tensor]]] = [
        (
            "codes encoded at every step",
            "a twentieth less",
            lambda: our_drawing_loss(model, rows, None),
        ),
        ("plain, as benchmarks/plain_train.py", "8", lambda: plain_drawing_loss(model, rows)),
    ]
    for name, expected, loss in ideas:
        yield f"7b stage 3, {name}", expected, rate(loss), "rows/s"
    with patch.object(block, "block_causal_attention", densely_masked):
        measured = rate(lambda: our_drawing_loss(model, rows, codes))
    yield "7b stage 3, dense mask in the decoder", "a hundredth less", measured, "rows/s"
    model.gradient_checkpointing_enable()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    measured = rate(lambda: our_drawing_loss(model, rows, codes))
    yield "7b stage 3, gradient checkpointing", "a quarter less", measured, "rows/s"
    if device.type == "cuda":
        peak_gb = torch.cuda.max_memory_allocated() / 1e9
        yield "7b stage 3, gradient checkpointing, peak", "25", peak_gb, "GB"
    model.gradient_checkpointing_disable()
    if device.type == "cuda":
        for layer in (*model.language_model.model.layers, *model.vargpt_gen.layers):
            layer.forward = torch.compile(layer.forward, dynamic=False)  # pyright: ignore[reportAttributeAccessIssue]  # the model ends here
        measured = rate(lambda: our_drawing_loss(model, rows, codes))
        yield "7b stage 3, blocks compiled", "a tenth more", measured, "rows/s"
