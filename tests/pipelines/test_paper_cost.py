"""GPU hours and USD of the paper's run: counts over rates, assumed until a GPU is measured."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def paper_cost():
    spec = importlib.util.spec_from_file_location(
        "paper_cost", ROOT / "pipelines" / "paper_cost.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_table_that_the_script_prints(paper_cost):
    assert paper_cost.table({}, 2.5) in (ROOT / "docs" / "reproduction.md").read_text()


def test_a_measured_line_takes_the_place_of_the_assumed_rate(paper_cost):
    made = paper_cost.table({"7b stage 3, batch 8": 26.0}, 2.0)
    line = next(line for line in made.splitlines() if line.startswith("| stage 3 |"))
    assert "| 26 rows/s | measured: `7b stage 3, batch 8` | 179.5 | 359 |" in line


def test_a_drawing_takes_its_picture_and_forty_tokens_of_text(paper_cost):
    assert paper_cost.gpu_hours(paper_cost.STEPS[5], {}) == pytest.approx(50_000 * 0.035 / 3600)


def test_rates_name_lines_that_the_benchmark_measures(paper_cost):
    sources = "".join(
        (ROOT / "benchmarks" / name).read_text()
        for name in ("gpu.py", "stage_steps.py", "captioning_line.py")
    )
    for rate in paper_cost.RATES.values():
        line = rate.line.replace("7b stage 1", "7b stage {stage}").replace(
            "7b stage 2", "7b stage {stage}"
        )
        line = line.replace("7b stage 3", "7b stage {stage}").replace(
            "batch 8", "batch {batch_size}"
        )
        assert line.replace("batch 64", "batch {batch_size}") in sources


def test_a_run_at_small_sizes_measures_nothing(paper_cost, tmp_path):
    lines = [{"name": "encode, float32", "measured": 3.0}]
    path = tmp_path / "gpu.json"
    path.write_text(json.dumps({"small": True, "lines": lines}))
    assert paper_cost.measured_lines(path) == {}
    path.write_text(json.dumps({"small": False, "lines": lines}))
    assert paper_cost.measured_lines(path) == {"encode, float32": 3.0}
