"""How fast a run goes: rates and memory of the time since the line before."""

import resource
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

# Dense bfloat16 multiplications and additions a second, from the makers' data sheets.
PEAK_FLOPS = {
    "A100": 312e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "H200": 989e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}


class Rates(NamedTuple):
    """Of one stretch of a run; None where the run does not count it."""

    seconds: float  # since this call began
    steps_per_s: float
    positions_per_s: float | None  # of text and images, without padding; all ranks
    images_per_s: float | None
    memory_bytes: int  # most so far: of the GPU where there is one, else of the process
    model_flops_frac: float | None  # of what the GPUs could compute


class Throughput:
    """Turns logged steps into rates.

    Counts of positions and images are those of logged steps; their mean stands for the steps
    between.
    """

    def __init__(
        self, *, start: int, num_devices: int = 1, peak_flops: float | None = None
    ) -> None:
        self.num_devices = num_devices
        self.peak_flops = peak_flops
        self._last_step = start
        self._began_s = self._last_s = time.monotonic()
        self._sums: dict[str, float] = {}
        self._num_lines = 0

    def at(self, step: int, line: Mapping[str, Any], flops: float | None = None) -> Rates:
        """Rates up to `step`; `flops`: of the model in this step, all ranks."""
        now = time.monotonic()
        passed_s = max(now - self._last_s, 1e-9)
        steps_per_s = (step - self._last_step) / passed_s
        self._last_step, self._last_s = step, now
        self._num_lines += 1
        found = {"positions": line.get("num_positions"), "images": line.get("num_images")}
        for name, value in {**found, "flops": flops}.items():
            if value is not None:
                self._sums[name] = self._sums.get(name, 0.0) + float(value)
        means = {name: total / self._num_lines for name, total in self._sums.items()}
        frac = None
        if self.peak_flops and "flops" in means:
            frac = means["flops"] * steps_per_s / (self.peak_flops * self.num_devices)
        return Rates(
            now - self._began_s,
            steps_per_s,
            means["positions"] * steps_per_s if "positions" in means else None,
            means["images"] * steps_per_s if "images" in means else None,
            _memory_bytes(),
            frac,
        )


def peak_flops_of(device_name: str) -> float | None:
    """Of a GPU by its name; None for one that is not in the table."""
    known = sorted(PEAK_FLOPS, key=len, reverse=True)
    return next((PEAK_FLOPS[name] for name in known if name in device_name), None)


def _memory_bytes() -> int:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
