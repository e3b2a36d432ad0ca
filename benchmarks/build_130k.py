"""Wall time, CPU time and memory of `datagen build-130k`, as whole processes.

Run:  uv run python benchmarks/build_130k.py [--rows 130000] [--runs 3]

Each run builds into a fresh folder, then makes the report alone; the report's figures are taken
off the build's, since the command makes it at its end.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

START = "from vargpt_datagen.cli import main; main()"


class Figures(NamedTuple):
    """One finished process."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def measured(*words: object) -> Figures:
    """Run `datagen WORDS` and account for it as the operating system does."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", START, *map(str, words)], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - started
    if status:
        raise SystemExit(f"datagen {words[0]} failed")
    return Figures(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def loop_s() -> float:
    """How fast this machine is at the moment, for comparing runs of different days."""
    started = time.process_time()
    total = 0
    for number in range(10_000_000):
        total += number
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=130_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print(f"a loop of ten million additions takes {loop_s():.2f} s here")
    print("run  rows     build: wall s  CPU s  peak MB   report: wall s  CPU s  peak MB")
    for run in range(1, options.runs + 1):
        folder = Path(tempfile.mkdtemp(prefix="build-130k-"))
        try:
            whole = measured("build-130k", "--rows", options.rows, "--out", folder / "out")
            report = measured("report", folder / "out")
        finally:
            shutil.rmtree(folder)
        print(
            f"{run:<4} {options.rows:<8} {whole.wall_s - report.wall_s:>13.1f} "
            f"{whole.cpu_s - report.cpu_s:>6.1f} {whole.peak_mb:>8.0f} "
            f"{report.wall_s:>16.1f} {report.cpu_s:>6.1f} {report.peak_mb:>8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
