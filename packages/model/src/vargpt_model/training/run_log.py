"""All that shows how a run goes: metrics, rates, event files, curves, progress.

OUT/metrics.jsonl      what was computed: the same for a resumed run and an undisturbed one
OUT/throughput.jsonl   how fast: differs from run to run
OUT/tensorboard/       both, as event files
OUT/curves.html        both, as a page
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from vargpt_model.training.curves import write_curves
from vargpt_model.training.curves.drawn import drop_pictures_after
from vargpt_model.training.metrics_log import MetricsLog
from vargpt_model.training.progress import Progress
from vargpt_model.training.tensorboard_log import TensorboardLog
from vargpt_model.training.throughput import Rates, Throughput, peak_flops_of

SECONDS_BETWEEN_PAGES = 60.0
GIGABYTE = 10**9


class RunLog:
    """Of one call; the first rank's affair."""

    def __init__(
        self,
        out: Path,
        *,
        what: str,
        start: int,
        num_steps: int,
        num_devices: int = 1,
        flops_of: Callable[[Mapping[str, Any]], float] | None = None,
    ) -> None:
        """`flops_of` works out a step's model FLOPs from its line; all ranks together."""
        self.out, self.num_steps = out, num_steps
        self._metrics = MetricsLog(out / "metrics.jsonl")
        self._rates = MetricsLog(out / "throughput.jsonl")
        for log in (self._metrics, self._rates):
            log.cut_to(start)
        drop_pictures_after(out, start)
        self._events = TensorboardLog(out / "tensorboard", start=start)
        self._progress = Progress(what, done=start, total=num_steps, unit="steps")
        self._flops_of = flops_of
        peak = peak_flops_of(torch.cuda.get_device_name()) if torch.cuda.is_available() else None
        self._throughput = Throughput(start=start, num_devices=num_devices, peak_flops=peak)
        self._last_page_s = time.monotonic()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._events.close()
        if error is None:
            write_curves(self.out)

    def append(self, step: int, line: Mapping[str, Any]) -> None:
        """A logged step: plain numbers, with `loss` among them."""
        flops = self._flops_of(line) if self._flops_of else None
        rates = self._throughput.at(step, line, flops)
        shown = {name: value for name, value in rates._asdict().items() if value is not None}
        self._metrics.append(step, line)
        self._rates.append(step, shown)
        self._events.append(step, {**line, **shown})
        self._progress.show(step, note_of(line["loss"], rates))
        if time.monotonic() - self._last_page_s >= SECONDS_BETWEEN_PAGES:
            write_curves(self.out)
            self._last_page_s = time.monotonic()

    def sync(self) -> None:
        """Make all lines durable."""
        self._metrics.sync()
        self._rates.sync()
        self._events.flush()


def note_of(loss: float, rates: Rates) -> str:
    """The end of a progress line: "1,204 tokens/s, 38 images/s, 0.6 GB, loss 0.6588"."""
    parts = []
    if rates.positions_per_s is not None:
        parts.append(f"{rates.positions_per_s:,.0f} tokens/s")
    if rates.images_per_s is not None:
        parts.append(f"{rates.images_per_s:,.0f} images/s")
    parts.append(f"{rates.memory_bytes / GIGABYTE:.1f} GB")
    if rates.model_flops_frac is not None:
        parts.append(f"model FLOP use {rates.model_flops_frac:.0%}")
    return ", ".join([*parts, f"loss {loss:.4f}"])
