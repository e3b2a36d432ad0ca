"""Learning rate and weight decay over the steps of a run (VAR, `utils/lr_control.py`)."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRate:
    """Linear warm-up to the peak, then a hold and a linear fall, or a cosine.

    The defaults from `hold_frac` on are VAR's `lin0`.
    """

    peak: float
    num_steps: int
    num_warmup_steps: int
    shape: Literal["linear", "cosine"] = "linear"
    hold_frac: float = 0.05  # of the steps behind the warm-up, at the peak; linear only
    start_frac: float = 0.005  # of the peak, at step 0
    end_frac: float = 0.01  # of the peak, at the last step

    def at(self, step: int) -> float:
        """Learning rate of a 0-based step."""
        if step < self.num_warmup_steps:
            risen = step / self.num_warmup_steps
            return self.peak * (self.start_frac + (1 - self.start_frac) * risen)
        passed = (step - self.num_warmup_steps) / max(self.num_steps - 1 - self.num_warmup_steps, 1)
        if self.shape == "cosine":
            left = (1 + math.cos(math.pi * passed)) / 2
        else:
            left = min(1.0, (1 - passed) / (1 - self.hold_frac))
        return self.peak * (self.end_frac + (1 - self.end_frac) * left)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightDecay:
    """From one value to another along half a cosine."""

    start: float
    end: float
    num_steps: int

    def at(self, step: int) -> float:
        """Weight decay of a 0-based step."""
        passed = step / max(self.num_steps - 1, 1)
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * passed)) / 2
