"""What a stage is going to do, in lines for a person."""

from collections.abc import Iterator

from torch import nn

from vargpt_model.stage_training.config import StageTraining
from vargpt_model.stage_training.data import StageData
from vargpt_model.stage_training.step_batches import StepBatches
from vargpt_model.stages import VARIANTS, Stage


def plan_lines(
    stage: Stage,
    model: nn.Module,
    read: StageData,
    training: StageTraining,
    batches: StepBatches,
    num_steps: int,
) -> Iterator[str]:
    """Parts, rows, batches and steps."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    trained = sum(count for count, is_trained in counts if is_trained)
    parts = ", ".join(part.rstrip(".") for part in VARIANTS[stage][training.variant])
    yield (
        f"stage {stage} ({training.variant}): trains {trained:,} of "
        f"{sum(count for count, _ in counts):,} parameters: {parts}"
    )
    kinds = ", ".join(f"{count:,} {task}" for task, count in read.rows.counts_by_task().items())
    lengths = read.lengths
    yield (
        f"{len(read.rows):,} rows ({kinds}); {lengths.num_cut:,} cut to "
        f"{training.max_positions:,} positions, {lengths.num_left_out:,} left out"
    )
    yield (
        f"{num_steps:,} steps of {training.batch_size:,} rows, an epoch has "
        f"{read.order.rows_per_epoch:,}; learning rate {training.peak_lr:g}"
    )
    micros = batches.lengths_by_micro(0)
    positions = sum(map(sum, micros))
    padded = sum(len(micro) * max(micro) for micro in micros)
    yield (
        f"first step: {batches.world_size} ranks x {len(micros)} micro-batches of at most "
        f"{training.max_micro_positions:,} positions ({max(map(len, micros)):,} rows), "
        f"{1 - positions / padded:.1%} padding; rows are grouped by length, not packed"
    )
