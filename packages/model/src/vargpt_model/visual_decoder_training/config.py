"""What the class-conditional training of a visual decoder may vary."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class VisualDecoderTraining:
    """Defaults of the second part are VAR's for d16 (README and `utils/arg_util.py`)."""

    num_steps: int
    batch_size: int = 768  # images an optimizer step
    num_micro_batches: int = 1  # the batch in so many passes, for less memory
    seed: int = 0

    base_lr: float = 1e-4  # for 256 images a step; the peak is in proportion to batch_size
    warmup_frac: float = 1 / 50  # of all steps
    end_lr_frac: float = 0.1  # of the peak; 0.01 for d24 and larger
    weight_decay: float = 0.05
    end_weight_decay: float = 0.05  # 0.08 for d30 and d36; a cosine leads there
    max_grad_norm: float = 2.0
    label_smoothing: float = 0.0
    loss_weights: Literal["codes", "scales"] = "codes"  # each code counts alike, or each scale
    gamma_gain: float = 1e-3  # of the blocks' gates at the start; 1.0 for short runs
    log_every: int = 50  # steps
    save_every: int = 1_000  # steps

    def __post_init__(self) -> None:
        if min(self.num_steps, self.num_micro_batches, self.log_every, self.save_every) < 1:
            raise ValueError(
                "num_steps, num_micro_batches, log_every and save_every must be at least 1, got "
                f"{self.num_steps}, {self.num_micro_batches}, {self.log_every} and "
                f"{self.save_every}"
            )
        if self.batch_size < self.num_micro_batches:
            raise ValueError(
                f"batch_size must be at least num_micro_batches, got {self.batch_size} and "
                f"{self.num_micro_batches}"
            )

    @property
    def peak_lr(self) -> float:
        """Highest learning rate."""
        return self.base_lr * self.batch_size / 256
