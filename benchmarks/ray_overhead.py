"""What `--engine ray` costs a row of `datagen build-130k`, against the local engine.

The offline writer never waits, so all that differs is Ray's own work: requests and replies that
travel, a second journal, and actors beside the driver on the same processors.

Run: uv run --all-packages --extra ray python benchmarks/ray_overhead.py [--rows 100000]
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START = "from vargpt_datagen.cli import main; main()"


def seconds(out: Path, rows: int, *words: str) -> float:
    """Wall seconds of one build in a process of its own."""
    command = [sys.executable, "-c", START, "build-130k", "--rows", str(rows), "--out", str(out)]
    started_s = time.perf_counter()
    ran = subprocess.run([*command, *words], capture_output=True, text=True, check=True)
    took_s = time.perf_counter() - started_s
    said = re.findall(r"^rows: .*$", ran.stderr, re.MULTILINE)
    print(f"{' '.join(words) or 'local'}, {rows:,} rows: {took_s:.1f} s; {said[-1]}", flush=True)
    return took_s


def main() -> None:
    """Both engines with few rows, which is start-up, and with many; the difference is the rows'."""
    parser = argparse.ArgumentParser(description="Ray's cost a row.")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--few", type=int, default=1_000)
    options = parser.parse_args()
    ray = ("--engine", "ray", "--workers", "1")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        engines = {"local": (), "ray": ray}
        few = {
            name: seconds(root / f"{name}-few", options.few, *words)
            for name, words in engines.items()
        }
        many = {
            name: seconds(root / f"{name}-many", options.rows, *words)
            for name, words in engines.items()
        }
        same = all(
            (root / "ray-many" / path.relative_to(root / "local-many")).read_bytes()
            == path.read_bytes()
            for path in (root / "local-many" / "data").glob("*.parquet")
        )
    rows = options.rows - options.few
    per_row_us = {name: (many[name] - few[name]) / rows * 1e6 for name in engines}
    print(f"us a row: local {per_row_us['local']:.0f}, ray {per_row_us['ray']:.0f}")
    print(
        f"Ray's overhead: {per_row_us['ray'] - per_row_us['local']:.0f} us a row, "
        f"{few['ray'] - few['local']:.1f} s a run; shards equal: {same}"
    )


if __name__ == "__main__":
    main()
