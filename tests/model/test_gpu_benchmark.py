"""The benchmark for GPU hosts runs every line, on a processor, without an installed toolkit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_every_line_of_the_gpu_benchmark_runs_on_a_processor(tmp_path):
    sources = os.pathsep.join(str(path) for path in sorted(ROOT.glob("packages/*/src")))
    ran = subprocess.run(
        [
            sys.executable,
            str(ROOT / "benchmarks" / "gpu.py"),
            *("--device", "cpu", "--small", "--out", str(tmp_path / "gpu.json")),
        ],
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    report = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    names = [line["name"] for line in report["lines"]]
    assert report["small"] and len(names) == len(set(names)) >= 20
    assert all(line["measured"] > 0 for line in report["lines"])
