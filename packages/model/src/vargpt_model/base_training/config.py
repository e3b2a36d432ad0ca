"""What the training of the stand-ins may vary."""

from dataclasses import dataclass, fields
from typing import Literal

from vargpt_model.training.schedules import LearningRate


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseTraining:
    """Four phases, each with its own steps, batch and learning rate; 0 steps leave a phase out.

    Every learning rate is a peak: a cosine with warm-up leads there and back. Steps suit
    `tiny`, and are those of pipelines/config/tiny.yaml.
    """

    # The LLM, on captions and on questions about them.
    text_steps: int = 100
    text_batch_size: int = 32  # texts
    text_lr: float = 2e-3
    # Vision tower and understanding projector, on pictures beside the words that they show.
    contrast_steps: int = 5_000
    contrast_batch_size: int = 64  # pictures
    contrast_lr: float = 2e-3
    hard_frac: float = 0.5  # of a batch, in groups that differ in the shape, or size, alone
    # Vision tower, understanding projector and LLM, on captions and questions about pictures.
    joint_steps: int = 1_600
    joint_batch_size: int = 32  # conversations
    joint_lr: float = 2e-3
    joint_tower_lr_frac: float = 0.0  # of joint_lr, for the vision tower: at 1 it unlearns shapes
    description_frac: float = 0.25  # of the conversations about a picture; the others ask
    text_frac: float = 0.1  # of the conversations, without a picture, as in the first phase
    # The visual decoder, on codes of the classes.
    decoder_steps: int = 500
    decoder_batch_size: int = 64  # images
    decoder_lr: float = 2e-3
    decoder_scenes: Literal["one-object", "all"] = "one-object"  # a class says nothing of a second
    decoder_loss_weights: Literal["codes", "scales"] = "scales"  # each code counts alike, or scale
    decoder_gamma_gain: float = 1.0  # of the blocks' gates at the start; VAR's are for long runs

    seed: int = 0
    warmup_frac: float = 0.05  # of a phase's steps
    end_lr_frac: float = 0.05  # of the peak, at a phase's last step
    max_grad_norm: float = 1.0
    num_checked: int = 128  # questions about the world's last pictures, which are not trained on
    log_every: int = 50  # steps
    save_every: int = 250  # steps

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            low = 1 if field.name.endswith(("_size", "_every")) else 0
            if field.name.endswith(("_steps", "_size", "_every")) and value < low:
                raise ValueError(f"{field.name} must be at least {low}, got {value}")
            if field.name.endswith("_frac") and not 0 <= value <= 1:
                raise ValueError(f"{field.name} must be in [0, 1], got {value}")
        if self.contrast_batch_size < 2:
            raise ValueError("contrast_batch_size must be at least 2: pictures are told apart")
        for name, choices in (
            ("decoder_scenes", ("one-object", "all")),
            ("decoder_loss_weights", ("codes", "scales")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )

    def learning_rate(self, peak: float, num_steps: int) -> LearningRate:
        """Of one phase."""
        return LearningRate(
            peak=peak,
            num_steps=num_steps,
            num_warmup_steps=int(num_steps * self.warmup_frac),
            shape="cosine",
            end_frac=self.end_lr_frac,
        )
