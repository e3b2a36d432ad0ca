"""What a stage's training may vary; the defaults are Table 2's."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from vargpt_model.stages import VARIANTS, Stage

CodeLoss = Literal["per_code", "per_scale"]
ImageView = Literal["centre", "whole", "random"]
Precision = Literal["auto", "float32", "bfloat16"]
Checkpointing = Literal["auto", "on", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTraining:
    """One stage. Fields without a default are the stage's; `stage_training` fills them in."""

    # What is learned.
    variant: str = "paper"  # of what is trained; see vargpt_model.stages.VARIANTS
    image_loss_weight: float  # beside the text loss; the official code has 1 in every stage
    null_dropout: float  # share of images trained on the learned null states
    code_loss: CodeLoss = "per_code"  # each code counts alike; per_scale: each scale does
    code_dropout: float = 0.0  # share of images without code inputs, and again with half of them
    lr_factors: str = ""  # of peak_lr by prefix of names: "vargpt_gen.=0.1,image_gen_projector.=1"

    # Table 2.
    batch_size: int  # rows an optimizer step, all ranks and micro-batches together
    peak_lr: float
    epochs: float
    warmup_frac: float = 0.1  # of all steps; a cosine follows
    end_lr_frac: float = 0.0  # of peak_lr, at the last step
    weight_decay: float = 0.0
    beta1: float = 0.9  # of AdamW
    beta2: float = 0.999
    max_grad_norm: float = 1.0
    max_steps: int = 0  # optimizer steps; 0: as many as the epochs have

    # How it is computed.
    view: ImageView = "centre"  # of images to draw; random: another crop in every epoch
    max_positions: int = 2_048  # of a row; the model's context if that is less
    max_micro_positions: int = 8_192  # of one pass of one rank, padding included
    precision: Precision = "auto"  # bfloat16: autocast; auto: where a GPU gets stored bfloat16
    gradient_checkpointing: Checkpointing = "auto"  # auto: models of a billion parameters
    zero_stage: int  # of --engine deepspeed: 2 shards gradients and moments, 3 parameters too
    num_threads: int = 2  # of a rank, that read images
    max_skipped_frac: float = 0.1  # of a step's rows; more unreadable images stop the run
    seed: int = 0
    log_every: int = 10  # steps
    save_every: int = 1_000  # steps
    sample_every: int = 0  # steps, a multiple of log_every; pictures of fixed prompts; 0: none

    def __post_init__(self) -> None:
        for name, kind in (
            ("code_loss", CodeLoss),
            ("view", ImageView),
            ("precision", Precision),
            ("gradient_checkpointing", Checkpointing),
        ):
            if getattr(self, name) not in get_args(kind):
                raise ValueError(
                    f"{name} must be one of {', '.join(get_args(kind))}, got {getattr(self, name)}"
                )
        for name in (
            *("batch_size", "max_positions", "max_micro_positions"),
            *("num_threads", "log_every", "save_every"),
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.zero_stage not in (2, 3):
            raise ValueError(f"zero_stage must be 2 or 3, got {self.zero_stage}")
        for name in ("peak_lr", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name, highest in (
            ("code_dropout", 0.5),
            ("null_dropout", 1),
            ("warmup_frac", 1),
            ("end_lr_frac", 1),
            ("max_skipped_frac", 1),
        ):
            if not 0 <= getattr(self, name) <= highest:
                raise ValueError(f"{name} must be in [0, {highest}], got {getattr(self, name)}")
        if self.max_steps < 0 or (self.max_steps == 0 and not self.epochs > 0):
            raise ValueError(
                "epochs must be above 0, or max_steps at least 1, got "
                f"{self.epochs} and {self.max_steps}"
            )
        if self.sample_every % self.log_every:
            raise ValueError(
                f"sample_every must be a multiple of log_every, got {self.sample_every} and "
                f"{self.log_every}"
            )
        self.lr_factor_of("")

    def lr_factor_of(self, parameter_name: str) -> float:
        """Factor of peak_lr for one parameter; the longest prefix wins."""
        factors = {}
        for part in filter(None, self.lr_factors.split(",")):
            prefix, _, factor = part.partition("=")
            try:
                factors[prefix] = float(factor)
            except ValueError as error:
                raise ValueError(
                    f"lr_factors must be PREFIX=FACTOR,... such as vargpt_gen.=0.1, got {part!r}"
                ) from error
        matching = [prefix for prefix in factors if parameter_name.startswith(prefix)]
        return factors[max(matching, key=len)] if matching else 1.0


_TABLE_2: dict[Stage, dict[str, Any]] = {
    "1": {"batch_size": 1024, "peak_lr": 1e-3, "epochs": 1.0, "zero_stage": 3},
    "2": {"batch_size": 256, "peak_lr": 5e-5, "epochs": 1.0, "zero_stage": 2},
    "3": {"batch_size": 1024, "peak_lr": 5e-5, "epochs": 12.0, "zero_stage": 3},
}
# Stage 2 trains none of the parts that draw: its image loss would only push the LLM. The null
# states learn in stage 3 alone.
_OURS: dict[Stage, dict[str, Any]] = {
    "1": {"image_loss_weight": 1.0, "null_dropout": 0.0},
    "2": {"image_loss_weight": 0.0, "null_dropout": 0.0},
    "3": {"image_loss_weight": 1.0, "null_dropout": 0.1},
}


def stage_training(stage: Stage, **changes: Any) -> StageTraining:
    """Table 2's values for a stage, and `changes` to them. ValueError for values that cannot be."""
    return checked(stage, StageTraining(**{**_TABLE_2[stage], **_OURS[stage], **changes}))


def checked(stage: Stage, training: StageTraining) -> StageTraining:
    """The same; ValueError when its variant is not one of the stage."""
    if training.variant not in VARIANTS[stage]:
        raise ValueError(
            f"variant of stage {stage} must be one of {', '.join(VARIANTS[stage])}, "
            f"got {training.variant}"
        )
    if stage != "2" and training.image_loss_weight == 0:
        raise ValueError(f"image_loss_weight of stage {stage} must not be 0: it trains what draws")
    return training
