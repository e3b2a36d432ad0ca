"""What an image tokenizer's training may vary."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTokenizerTraining:
    """Defaults are those of the tiny preset, measured; see docs/training.md."""

    num_steps: int = 5_500
    batch_size: int = 32  # images
    view: Literal["whole", "random"] = "whole"  # random: VAR's crop, another one in every epoch
    seed: int = 0
    peak_lr: float = 2e-3
    end_lr_frac: float = 0.0  # of the peak, at the last step; a cosine leads there
    warmup_frac: float = 0.05  # of all steps
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    l1_weight: float = 1.0
    mse_weight: float = 20.0  # L1 alone leaves small objects out for long
    quantizer_weight: float = 1.0
    perceptual_weight: float = 1.0  # counts once the two files of weights are given
    adversarial_weight: float = 0.0  # 0: no discriminator
    adversarial_start_frac: float = 0.5  # of all steps
    adversary_lr_frac: float = 1.0  # of peak_lr
    plain_frac: float = 0.1  # of all steps, first, as an autoencoder without codes
    restart_frac: float = 0.75  # of all steps; dead codes start again until then
    codebook_decay: float = 0.97
    dead_hits: float = 0.05
    log_every: int = 50  # steps
    save_every: int = 500  # steps
    sample_every: int = 500  # steps; a few pictures beside what codes make of them; 0: none

    def __post_init__(self) -> None:
        if self.num_steps < 1 or self.batch_size < 1 or self.log_every < 1 or self.save_every < 1:
            raise ValueError(
                "num_steps, batch_size, log_every and save_every must be at least 1, got "
                f"{self.num_steps}, {self.batch_size}, {self.log_every} and {self.save_every}"
            )
        if not 0 <= self.plain_frac < 1 or not 0 <= self.restart_frac <= 1:
            raise ValueError(
                "plain_frac must be in [0, 1) and restart_frac in [0, 1], got "
                f"{self.plain_frac} and {self.restart_frac}"
            )

    @property
    def num_plain_steps(self) -> int:
        """Steps without codes; the codebook starts from their last features."""
        return max(1, int(self.num_steps * self.plain_frac))
