"""The loop around a training step: resume, log, save, stop. The step is the job's affair."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from PIL import Image
from torch import Tensor

from vargpt_model.training.batch_order import seed_step
from vargpt_model.training.checkpoints import Checkpoints
from vargpt_model.training.curves.drawn import save_pictures
from vargpt_model.training.run_log import RunLog
from vargpt_model.training.stop_request import StopRequest
from vargpt_model.training.torch_file import torch_file
from vargpt_schema.errors import UserError

STATE = "training_state.pt"


class Job(Protocol):
    """What is trained.

    A step must depend on nothing but its number, the state and torch's global random streams,
    which the loop sets from seed and step: then a resumed run equals an undisturbed one.
    """

    def step(self, step: int) -> Mapping[str, Any]:
        """Do one 0-based optimizer step; scalar tensors are read only when they are logged."""
        ...

    def report(self, step: int) -> Mapping[str, Any]:
        """What else a log line holds, once `step` steps are done."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next steps depend on: tensors, numbers, text, lists and dicts."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from such a state."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConfig:
    """How long a run is, and how often it tells and saves."""

    what: str  # heads every line of progress
    num_steps: int
    seed: int
    log_every: int  # steps
    save_every: int  # steps
    sample_every: int = 0  # steps; pictures for the page; 0: none


class NamedPictures(NamedTuple):
    """Pictures that show how far a training is, the same ones each time."""

    names: Sequence[str]
    pictures: Sequence[Image.Image]


class Ended(NamedTuple):
    """How a call of the loop ended."""

    step: int  # steps done, earlier calls included
    stopped_by: int | None  # number of the signal, None when all steps are done


def run_steps(
    job: Job, config: LoopConfig, out: Path, *, draw: Callable[[], NamedPictures] | None = None
) -> Ended:
    """Train to the last step, or to a signal; resumes from OUT/checkpoints.

    RunLog says which files show how it goes. The state is saved every `save_every` steps, at the
    end, and when SIGTERM or Ctrl-C comes.
    """
    checkpoints = Checkpoints(out)
    step = start = _resumed(job, checkpoints)
    log = RunLog(out, what=config.what, start=start, num_steps=config.num_steps)
    with StopRequest() as stop, log:
        while step < config.num_steps and stop.received is None:
            seed_step(config.seed, step)
            metrics = job.step(step)
            step += 1
            if step % config.log_every == 0 or step == config.num_steps:
                log.append(step, plain({**metrics, **job.report(step)}))
            if draw and config.sample_every and _is_due(step, config):
                save_pictures(out, step, *draw())
            if step % config.save_every == 0:
                _save(job, step, checkpoints, log)
        if step > start:
            _save(job, step, checkpoints, log)
    return Ended(step, None if step == config.num_steps else stop.received)


def refuse_nan(
    loss: Tensor, step: int, rows: Callable[[], Sequence[str]], *, what: str = "loss"
) -> None:
    """UserError that names step and rows when a loss is not finite; before it does any harm."""
    value = float(loss.detach())
    if math.isfinite(value):
        return
    named = list(rows())
    shown = ", ".join(named[:8]) + (f" and {len(named) - 8} more" if len(named) > 8 else "")
    raise UserError(
        f"step {step}: {what} {value} found, a number was expected; rows {shown}. Look at these "
        "rows, or lower the learning rate; the last checkpoint is whole."
    )


def warn(line: str) -> None:
    """One line on stderr."""
    print(f"warning: {line}", file=sys.stderr, flush=True)


def _is_due(step: int, config: LoopConfig) -> bool:
    return step % config.sample_every == 0 or step == config.num_steps


def _resumed(job: Job, checkpoints: Checkpoints) -> int:
    newest = checkpoints.newest(warn)
    if newest is None:
        return 0
    job.load_state_dict(torch.load(newest.folder / STATE, map_location="cpu", weights_only=True))
    print(f"resumed at step {newest.step:,} from {newest.folder}", file=sys.stderr, flush=True)
    return newest.step


def _save(job: Job, step: int, checkpoints: Checkpoints, log: RunLog) -> None:
    log.sync()
    checkpoints.save(step, {STATE: torch_file(job.state_dict())})


def plain(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors as numbers and lists, rounded to what float32 holds."""
    return {name: _rounded(value) for name, value in metrics.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, Tensor):
        value = value.tolist()
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
