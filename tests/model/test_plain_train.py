"""The plain training step that ours is timed against has the same losses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_plain_steps_and_ours_have_equal_losses_in_every_stage():
    sources = os.pathsep.join(str(path) for path in sorted(ROOT.glob("packages/*/src")))
    ran = subprocess.run(
        [
            sys.executable,
            str(ROOT / "benchmarks" / "plain_train.py"),
            *("--device", "cpu", "--small", "--batch-size", "2"),
        ],
        env={**os.environ, "PYTHONPATH": sources, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    rows = [line.strip("| ").split(" | ") for line in ran.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    for row in rows:
        assert float(row[4]) == pytest.approx(float(row[5]), abs=2e-4)
