"""transformers' Trainer with this project's batches, losses, checkpoints and metrics.

Trainer's own step is one pass. Here it is the whole optimizer step of a rank: all micro-batches,
so that each loss can be divided by its count over all of them and all ranks.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainerCallback, TrainingArguments

from vargpt_model.stage_training.config import StageTraining
from vargpt_model.stage_training.examples import Unreadable
from vargpt_model.stage_training.losses import Counts, StepLoss
from vargpt_model.stage_training.optimizer import stage_optimizer
from vargpt_model.stage_training.sharding import whole
from vargpt_model.stage_training.state import (
    load_optimizer,
    load_parameters,
    load_state,
    state_files,
    trained_parameters,
)
from vargpt_model.stage_training.step_batches import StepBatch, StepBatches
from vargpt_model.stage_training.zero import Zero
from vargpt_model.training.batch_order import seed_step
from vargpt_model.training.checkpoints import WriteFile
from vargpt_model.training.loop import refuse_nan
from vargpt_model.training.schedules import LearningRate
from vargpt_model.vargpt import VargptForConditionalGeneration
from vargpt_schema.errors import UserError

Save = Callable[[int, Mapping[str, WriteFile]], None]  # steps done, files of the checkpoint
OnStep = Callable[[int, dict[str, Any]], None]  # steps done, figures of a logged step


class StageTrainer(Trainer):
    """Trains the parameters of `model` that need gradients."""

    def __init__(
        self,
        model: VargptForConditionalGeneration,
        arguments: TrainingArguments,
        training: StageTraining,
        batches: StepBatches,
        *,
        zero: Zero | None = None,
        save: Save,
        on_step: OnStep,
        on_unreadable: Callable[[list[Unreadable]], None],
        stop_asked: Callable[[], bool],
    ) -> None:
        super().__init__(model=model.train(), args=arguments, callbacks=[_EveryStep(self)])
        self.training = training
        self.batches = batches
        self._zero = zero
        self.has_stopped = False
        self._patch_nums = model.config.visual_decoder_config.patch_nums
        self._write = save
        self._on_step = on_step
        self._on_unreadable = on_unreadable
        self._stop_asked = stop_asked
        self._sample_ids: list[tuple[Tensor, list[str]]] = []  # loss and rows of each micro-batch
        self._grad_norm = torch.zeros(())
        self._figures: dict[str, Any] = {}

    # What Trainer asks for.

    def get_train_dataloader(self) -> Any:
        """Our own batches: they know rank and step, so nothing prepares or skips them."""
        return self.batches

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW over what the stage trains."""
        if self.optimizer is None:
            trained = model or self.model
            assert trained is not None
            zero = self._zero
            self.optimizer = (
                zero.optimizer
                if zero
                else stage_optimizer(trained.named_parameters(), self.training)
            )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> LambdaLR:
        """Linear warm-up, then a cosine; every group from its own peak."""
        if self.lr_scheduler is None:
            rate = LearningRate(
                peak=1.0,
                num_steps=num_training_steps,
                num_warmup_steps=round(self.training.warmup_frac * num_training_steps),
                shape="cosine",
                start_frac=0.0,
                end_frac=self.training.end_lr_frac,
            )
            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, rate.at)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def training_step(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        model: nn.Module,
        inputs: StepBatch,
        num_items_in_batch: Any = None,  # noqa: ARG002
    ) -> Tensor:
        """Forward and backward of a rank's micro-batches; gradients meet in the last one."""
        step, training = self.state.global_step, self.training
        seed_step(training.seed, step, self.args.process_index)
        is_logged = (step + 1) % training.log_every == 0 or step + 1 == len(self.batches)
        self._on_unreadable(inputs.unreadable)
        counts = self._counts(inputs)
        step_loss = StepLoss(
            counts,
            self._patch_nums,
            image_loss_weight=training.image_loss_weight,
            code_loss=training.code_loss,
            device=self.args.device,
            has_figures=is_logged,
        )
        self._sample_ids = []
        total = torch.zeros((), device=self.args.device)
        last = len(inputs.micro_batches) - 1
        passes = self._zero or model
        for number, micro in enumerate(inputs.micro_batches):
            waits = nullcontext() if number == last else self.accelerator.no_sync(model)
            with waits, self.accelerator.autocast():
                output = passes(
                    **self._prepare_inputs(micro.inputs),
                    image_loss_weight=training.image_loss_weight,
                    code_dropout=training.code_dropout,
                    run_every_part=self.args.world_size > 1,
                )
                loss = step_loss.of(output)
                if loss.requires_grad:  # else nothing in this batch depends on what is trained
                    # Ranks average their gradients, whose sum is wanted.
                    self._backward(loss * self.args.world_size, is_last=number == last)
            total += loss.detach()
            self._sample_ids.append((loss.detach(), micro.sample_ids))
        self._figures = {}
        if is_logged:
            if self.args.world_size > 1:
                dist.all_reduce(step_loss.sums)
            figures = step_loss.figures()
            lr = self.lr_scheduler.get_last_lr()  # pyright: ignore[reportOptionalMemberAccess]
            self._figures = {**figures, "lr": max(lr), "epoch": inputs.epoch}
        return total

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        """As Trainer's, but a norm that is no number stops the run before it does harm."""
        # DeepSpeed clips while it updates; Trainer's own update then finds no gradients.
        norm = self._zero.step() if self._zero else whole(super()._clip_grad_norm(model))
        self._grad_norm = torch.as_tensor(norm)
        if not math.isfinite(float(self._grad_norm)):
            self._refuse(self._grad_norm)
        return self._grad_norm

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:  # noqa: ARG002
        assert self.optimizer is not None
        assert self.lr_scheduler is not None
        if self._zero:  # by every rank: sharded tensors meet here
            parameters, moments = self._zero.parameters(), self._zero.moments()
        else:
            parameters = trained_parameters(self._unwrapped)
            moments = whole(self.optimizer.state_dict())
        files = state_files(parameters, moments, self.lr_scheduler, self.state)
        if self.args.process_index == 0:
            self._write(self.state.global_step, files)

    def _load_from_checkpoint(
        self,
        resume_from_checkpoint: str,
        model: Any = None,  # noqa: ARG002
    ) -> None:
        if self._zero is None:  # which was made from a model that had them
            load_parameters(self._unwrapped, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        assert self.optimizer is not None
        assert self.lr_scheduler is not None
        if checkpoint is not None and self._zero:
            state = load_state(Path(checkpoint))
            self._zero.load(state["parameters"], state["optimizer"])
            self.lr_scheduler.load_state_dict(state["schedule"])
        elif checkpoint is not None:
            load_optimizer(self.optimizer, self.lr_scheduler, Path(checkpoint))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Nothing: every step sets the random streams itself."""

    def floating_point_ops(self, inputs: Any) -> int:  # noqa: ARG002
        """Not counted here; Trainer's estimate walks through all parameters at every step."""
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Nothing: lines come from `on_step`."""

    @property
    def _unwrapped(self) -> nn.Module:
        return cast("nn.Module", self.accelerator.unwrap_model(self.model))

    # One step.

    def _backward(self, loss: Tensor, *, is_last: bool) -> None:
        if self._zero:
            self._zero.backward(loss, is_last=is_last)
        else:
            self.accelerator.backward(loss)

    def _counts(self, batch: StepBatch) -> Counts:
        """Of all ranks; also whether any of them was asked to stop."""
        own = [
            sum(micro.num_labels for micro in batch.micro_batches),
            sum(micro.num_drawn for micro in batch.micro_batches),
            sum(micro.num_understood for micro in batch.micro_batches),
            sum(micro.num_positions for micro in batch.micro_batches),
            sum(micro.num_padded_positions for micro in batch.micro_batches),
            len(batch.unreadable),
            int(self._stop_asked()),
        ]
        if self.args.world_size > 1:
            total = torch.tensor(own, device=self.args.device)
            dist.all_reduce(total)
            own = total.tolist()
        *numbers, stop = own
        self.has_stopped = stop > 0
        counts = Counts(*numbers)
        limit = self.training.max_skipped_frac * self.training.batch_size
        if counts.unreadable > limit or counts.unreadable == self.training.batch_size:
            told = [f"row {one.sample_id}, {one.reason}" for one in batch.unreadable]
            first = next(iter(told), "on another rank.")
            raise UserError(
                f"step {batch.step + 1}: {counts.unreadable} of {self.training.batch_size} rows "
                f"cannot be read, at most {limit:g} were expected. The first: {first} Check "
                "--image-root and --codes, or give --set max_skipped_frac=X."
            )
        return counts

    def _refuse(self, norm: Tensor) -> None:
        """Name the rows: of the micro-batches whose loss is no number, or all of the step."""
        bad = [ids for loss, ids in self._sample_ids if not math.isfinite(float(loss))]
        named = [bad, [ids for _, ids in self._sample_ids]]
        if self.args.world_size > 1:
            ranks: list[Any] = [None] * self.args.world_size
            dist.all_gather_object(ranks, named)
            named = [[ids for rank in ranks for ids in rank[kind]] for kind in (0, 1)]
        rows = [one for ids in named[0] or named[1] for one in ids]
        what = "loss" if named[0] else "gradient norm"
        value = torch.tensor(math.nan) if named[0] else norm
        refuse_nan(value, self.state.global_step + 1, lambda: rows, what=what)

    def finish_step(self) -> bool:
        """Tell of a step that is done; whether it is to be saved."""
        step = self.state.global_step
        if self._figures:
            self._on_step(step, {**self._figures, "grad_norm": self._grad_norm})
        is_last = step == len(self.batches)
        return step % self.training.save_every == 0 or is_last or self.has_stopped


class _EveryStep(TrainerCallback):
    """Steers Trainer's loop behind every step."""

    def __init__(self, trainer: StageTrainer) -> None:
        self._trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:  # noqa: ARG002
        control.should_save = self._trainer.finish_step()
        control.should_training_stop |= self._trainer.has_stopped
        return control


def training_arguments(
    out: Path,
    training: StageTraining,
    *,
    world_size: int,
    precision: str,
    checkpoints_blocks: bool,
) -> TrainingArguments:
    """What Trainer must know; it neither logs nor saves nor shuffles here.

    Joins the process group under torchrun. `max_steps` is set once the rows are counted.
    """
    has_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(out / ".work"),
        max_steps=1,
        per_device_train_batch_size=1,
        max_grad_norm=training.max_grad_norm,
        learning_rate=training.peak_lr,
        weight_decay=training.weight_decay,
        seed=training.seed,
        use_cpu=not has_gpu,
        ddp_backend="gloo" if world_size > 1 and not has_gpu else None,
        bf16=precision == "bfloat16",
        gradient_checkpointing=checkpoints_blocks,
        ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False,
        ignore_data_skip=True,
        remove_unused_columns=False,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
    )
