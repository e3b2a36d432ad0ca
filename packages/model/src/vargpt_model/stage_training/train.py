"""`vargpt train 1|2|3`: a model's folder and rows -> another model's folder.

OUT/config.json, model*.safetensors, processor files   the trained model, for every other command
OUT/metrics.jsonl    losses in all and by scale, learning rate, counts, padding; a line a step
OUT/curves.html      the same as a page, with rates and pictures; see training/run_log.py
OUT/checkpoints/     the two newest states
OUT/skipped/         rows whose image could not be read, with the reason
OUT/manifest.json    what made it; written last
"""

import math
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch.distributed as dist

from vargpt_model.encoding.ranks import Rank, rank_from_environment
from vargpt_model.stage_training.config import StageTraining, checked
from vargpt_model.stage_training.data import DataPaths, StageData, stage_data
from vargpt_model.stage_training.finished_model import write_trained
from vargpt_model.stage_training.fixed_prompts import FixedPrompts
from vargpt_model.stage_training.freezing import checkpoints_blocks, prepare
from vargpt_model.stage_training.model_flops import StepFlops, stage_factors
from vargpt_model.stage_training.plan_lines import plan_lines
from vargpt_model.stage_training.sharding import shard, whole_state
from vargpt_model.stage_training.skipped_rows import SkippedRows
from vargpt_model.stage_training.state import load_parameters
from vargpt_model.stage_training.trainer import StageTrainer, training_arguments
from vargpt_model.stage_training.zero import Zero
from vargpt_model.stages import Stage
from vargpt_model.training.checkpoints import MANIFEST, Checkpoint, Checkpoints, write_json
from vargpt_model.training.folder_lock import expect_config, locked
from vargpt_model.training.loop import plain, warn
from vargpt_model.training.manifest import versions
from vargpt_model.training.run_log import RunLog
from vargpt_model.training.stop_request import StopRequest
from vargpt_model.weights.model_folder import Opened, model_sha256, open_config, open_model
from vargpt_schema.errors import UserError

Engine = Literal["one", "ddp", "fsdp2", "deepspeed"]
# A resumed call may have others.
FREE = ("log_every", "save_every", "sample_every", "num_threads", "zero_stage")


class TrainedStage(NamedTuple):
    """How a call ended."""

    step: int  # steps done, earlier calls included
    num_steps: int
    stopped_by: int | None  # number of the signal that ended it early
    num_unreadable: int  # rows, of all calls on this folder
    folder: Path


def train_stage(
    stage: Stage,
    model: Path,
    data: DataPaths,
    out: Path,
    training: StageTraining,
    *,
    engine: Engine | None = None,
) -> TrainedStage:
    """Train a stage, or go on where an earlier call on OUT stopped.

    `model` is a folder of `vargpt init` or of an earlier stage. Under torchrun every rank calls
    this; `engine` None: ddp there, one process elsewhere. fsdp2 shards weights, gradients and
    moments over the ranks; checkpoints and the final model are the same files.

    UserError for a folder that was started with another configuration, data that do not fit the
    model, more unreadable images than `max_skipped_frac`, a full disk, or a loss that is no number.
    """
    rank = rank_from_environment()
    _expect_ranks(rank, training, engine)
    checked(stage, training)
    with locked(out) if rank.rank == 0 else nullcontext():
        opened = open_model(model, device="cpu")
        stored_dtype = opened.model.dtype
        precision = prepare(opened.model, stage, training)
        arguments = training_arguments(
            out,
            training,
            world_size=rank.world_size,
            precision=precision,
            checkpoints_blocks=checkpoints_blocks(opened.model, training),
        )
        if rank.rank == 0:
            (out / ".work").mkdir(parents=True, exist_ok=True)
        read = stage_data(data, opened.model, opened.processor, training, rank, out / ".work")
        num_steps = training.max_steps or math.ceil(
            training.epochs * read.order.rows_per_epoch / training.batch_size
        )
        resolved = _resolved(stage, model, read, training, num_steps)
        if rank.rank == 0:
            expect_config(out, resolved)
        newest = _newest(out, rank)
        start = newest.step if newest else 0
        batches = read.batches(opened.processor, training, rank, start=start, end=num_steps)
        skipped = SkippedRows(out, rank.rank, warn)
        if rank.rank == 0:
            for line in plan_lines(stage, opened.model, read, training, batches, num_steps):
                print(line, file=sys.stderr, flush=True)
        arguments.max_steps = num_steps
        is_first = rank.rank == 0
        opens_log = partial(_run_log, stage, opened, out, rank, training, start, num_steps)
        with StopRequest() as stop, opens_log() if is_first else nullcontext() as log:
            zero = None
            if engine == "fsdp2":
                shard(opened.model, arguments.device.type)
            if engine == "deepspeed":
                if newest:
                    load_parameters(opened.model, newest.folder)
                zero = Zero(opened.model, training, precision)
            run = _Run(opened, read, out, log, training, num_steps, precision)
            trainer = StageTrainer(
                opened.model,
                arguments,
                training,
                batches,
                zero=zero,
                save=run.save,
                on_step=run.on_step,
                on_unreadable=skipped.add,
                stop_asked=lambda: stop.received is not None,
            )
            if start < num_steps:
                trainer.train(resume_from_checkpoint=str(newest.folder) if newest else None)
                step = trainer.state.global_step
            else:
                assert newest is not None
                if zero is None:
                    load_parameters(opened.model, newest.folder)
                step = start
        is_done = step == num_steps
        gathered = zero.whole_state if zero else whole_state
        state = gathered(opened.model, is_first=is_first) if is_done else {}
        if is_done and is_first:
            write_trained(state, open_config(model), opened.processor, out, dtype=stored_dtype)
            write_json(out / MANIFEST, _manifest(opened, out, resolved, read, skipped))
        stopped_by = None if is_done else stop.received
        num_unreadable = skipped.count()
    _leave(trainer)
    return TrainedStage(step, num_steps, stopped_by, num_unreadable, out)


class _Run:
    """What the first rank tells and keeps; the others, without a log, do neither."""

    def __init__(
        self,
        opened: Opened,
        read: StageData,
        out: Path,
        log: RunLog | None,
        training: StageTraining,
        num_steps: int,
        precision: str,
    ) -> None:
        self._model, self._log = opened.model, log
        self._prompts = FixedPrompts(read.rows, opened.processor, out)
        self._checkpoints = Checkpoints(out)
        self._sample_every, self._num_steps = training.sample_every, num_steps
        self._precision = precision

    def on_step(self, step: int, figures: Mapping[str, Any]) -> None:
        """A logged step."""
        if self._log is None:
            return
        if self._sample_every and (step % self._sample_every == 0 or step == self._num_steps):
            self._prompts.draw(self._model, step, self._precision)
        self._log.append(step, plain(figures))

    def save(self, step: int, files: Mapping[str, Any]) -> None:
        """A checkpoint."""
        if self._log is not None:
            self._log.sync()
            self._checkpoints.save(step, files)


def _run_log(
    stage: Stage,
    opened: Opened,
    out: Path,
    rank: Rank,
    training: StageTraining,
    start: int,
    num_steps: int,
) -> RunLog:
    factors = stage_factors(stage, training.variant, image_loss_weight=training.image_loss_weight)
    flops = StepFlops(opened.model.config, factors, num_rows=training.batch_size)
    return RunLog(
        out,
        what=f"stage {stage}",
        start=start,
        num_steps=num_steps,
        num_devices=rank.world_size,
        flops_of=flops.of,
    )


def _expect_ranks(rank: Rank, training: StageTraining, engine: Engine | None) -> None:
    if engine == "one" and rank.world_size > 1:
        raise UserError(
            f"--engine one: {rank.world_size} ranks found, one was expected. Start without "
            "torchrun, or give --engine ddp."
        )
    if engine in ("ddp", "fsdp2", "deepspeed") and rank.world_size == 1:
        raise UserError(
            f"--engine {engine}: one process found, several ranks were expected. Start with "
            "torchrun --no-python --nproc-per-node=N vargpt train ..., or take --engine out."
        )
    if engine in ("fsdp2", "deepspeed") and training.sample_every:
        raise UserError(
            f"--engine {engine}: sample_every {training.sample_every} found, 0 was expected: no "
            "rank has the whole model to draw with. Draw with `vargpt generate` afterwards."
        )
    if training.batch_size % rank.world_size:
        raise UserError(
            f"--set batch_size={training.batch_size}: {rank.world_size} ranks found, a multiple of "
            "them was expected. Give another batch_size, or start another number of ranks."
        )


def _resolved(
    stage: Stage, model: Path, read: StageData, training: StageTraining, num_steps: int
) -> dict[str, Any]:
    """What a resumed call must share with the first."""
    chosen = {name: value for name, value in asdict(training).items() if name not in FREE}
    return {
        "stage": stage,
        **chosen,
        "num_steps": num_steps,
        "model_sha256": model_sha256(model),
        "rows_sha256": read.rows.sha256(),
        "weights": [source.weight for source in read.rows.sources],
    }


def _newest(out: Path, rank: Rank) -> Checkpoint | None:
    """The checkpoint to go on from, on every rank the same; rank 0 looks for damage."""
    newest = [Checkpoints(out).newest(warn) if rank.rank == 0 else None]
    if rank.world_size > 1:
        dist.broadcast_object_list(newest)
    if newest[0] is not None and rank.rank == 0:
        print(f"resumed at step {newest[0].step:,} from {newest[0].folder}", file=sys.stderr)
    return newest[0]


def _manifest(
    opened: Opened, out: Path, resolved: Mapping[str, Any], read: StageData, skipped: SkippedRows
) -> dict[str, Any]:
    trained = [p.numel() for p in opened.model.parameters() if p.requires_grad]
    return {
        "command": f"vargpt train {resolved['stage']}",
        "config": dict(resolved),
        "data": [
            {"path": source.path.name, "rows": size, "weight": source.weight}
            for source, size in zip(read.rows.sources, read.rows.sizes, strict=True)
        ],
        "num_rows_cut": read.lengths.num_cut,
        "num_rows_left_out": read.lengths.num_left_out,
        "num_rows_unreadable": skipped.count(),
        "num_trained_parameters": sum(trained),
        "start_sha256": resolved["model_sha256"],
        "model_sha256": model_sha256(out),
        "versions": versions(),
    }


def _leave(trainer: StageTrainer) -> None:
    """End the process group, if there is one, when nothing uses it any more."""
    if not dist.is_initialized():
        return
    trainer.model_wrapped = trainer.model
    dist.barrier()
    dist.destroy_process_group()
