"""An untrained tiny VARGPT scored from end to end: questions, drawings, distances, one report."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eval.hub_layout import drawn_world
from vargpt_eval.run_folder import RunFolder

PATIENCE_S = 400.0


def run(module: str, *words: object) -> str:
    code = f"import sys; from {module}.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=PATIENCE_S,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return ran.stdout


@pytest.mark.slow
def test_a_tiny_model_is_scored_on_questions_drawings_and_distances(tmp_path: Path):
    model, prompts, drawn, out = (tmp_path / name for name in ("model", "eval", "drawn", "run"))
    run("vargpt_model", "init", "--preset", "tiny", "--out", model)
    run("vargpt_datagen", "build-eval", "--rows", "6", "--out", prompts)
    words = ("--prompts", prompts, "--min-images", "1", "--max-part-tokens", "8")
    run("vargpt_model", "generate", "--model", model, *words, "--out", drawn)
    data = drawn_world(tmp_path / "data", list(range(2_000_000, 2_000_006)), 64)

    asked = run(
        *("vargpt_eval", "run", "--model", model, "--tasks", "world_questions"),
        *("--data", data, "--out", out, "--limit", "12"),
    )
    run("vargpt_eval", "world", "--generations", drawn, "--prompts", prompts, "--out", out)
    seen = run(
        *("vargpt_eval", "gen-metrics", "--generations", drawn, "--prompts", prompts),
        *("--ref", data / "world", "--out", out),
    )
    run("vargpt_eval", "report", out, "--out", tmp_path / "report")

    assert "1 benchmark, 12 answers" in asked
    assert "(not comparable)" in seen
    summary = RunFolder(out).summary()
    assert summary["world"]["right"]["n"] == 6
    assert summary["gen_metrics"]["n"] == 6
    assert summary["gen_metrics"]["stamp"] == "not comparable"
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert page.count('<article class="dialogue">') == 6
