"""A cut-down run that is killed in its data, training and scoring rules and meets a full disk.

One run goes through all of it; each test states one thing that was found on the way.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.pipelines.planned import (
    ENVIRONMENT,
    PATIENCE_S,
    ROOT,
    SNAKEMAKE,
    needs_snakemake,
    snakemake,
)

pytestmark = [needs_snakemake, pytest.mark.slow]
WORDS = ("--cores", "2", "--config", "scale=tiny", "cut=1", "out=run")
FILE_LIMIT_BYTES = 300_000  # less than a checkpoint of stage 2


class Run(NamedTuple):
    """What happened."""

    folder: Path
    full_disk: subprocess.CompletedProcess[str]
    last: subprocess.CompletedProcess[str]
    again: subprocess.CompletedProcess[str]
    made_once: dict[str, int]  # path to time of change, as it was after the kill in training


def kill_when(cwd: Path, is_time: Callable[[], bool]) -> None:
    """Start the run, and SIGKILL all its processes as soon as something is so."""
    assert SNAKEMAKE
    with (cwd / "killed.log").open("ab") as log:
        process = subprocess.Popen(
            [SNAKEMAKE, "-s", str(ROOT / "pipelines" / "Snakefile"), *WORDS],
            cwd=cwd,
            stdout=log,
            stderr=log,
            env=ENVIRONMENT,
            start_new_session=True,
        )
        until = time.monotonic() + PATIENCE_S
        while not is_time():
            assert process.poll() is None, (cwd / "killed.log").read_text()[-2_000:]
            assert time.monotonic() < until, "the rule never began"
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    cwd = tmp_path_factory.mktemp("faults")
    out = cwd / "run"
    kill_when(cwd, (out / "world-train" / "world").exists)
    kill_when(cwd, (out / "stage2" / ".work").exists)
    parts = ("world-train/captions.parquet", "image-tokenizer/manifest.json", "base/manifest.json")
    made_once = {name: (out / name).stat().st_mtime_ns for name in (*parts, "stage1/manifest.json")}
    as_before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_LIMIT_BYTES, as_before[1]))  # is inherited
    try:
        full_disk = snakemake(*WORDS, cwd=cwd)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, as_before)
    kill_when(cwd, (out / "scores-stage3" / "drawn-validation").exists)
    last = snakemake(*WORDS, cwd=cwd)
    return Run(out, full_disk, last, snakemake(*WORDS, cwd=cwd), made_once)


def test_a_full_disk_in_training_is_one_clear_line(run: Run):
    assert run.full_disk.returncode != 0
    said = [line for line in run.full_disk.stderr.splitlines() if line.startswith("error: ")]
    assert len(said) == 1, run.full_disk.stderr[-2_000:]
    assert "run/stage2" in said[0]
    assert "File too large; room for the whole file was expected" in said[0]
    assert "run the same command again" in said[0]


def test_the_same_command_goes_on_to_the_report_after_every_kill(run: Run):
    assert run.last.returncode == 0, run.last.stdout[-2_000:] + run.last.stderr[-2_000:]
    assert (run.folder / "report" / "report.html").stat().st_size > 10_000


def test_what_was_finished_before_a_fault_is_not_made_again(run: Run):
    now = {name: (run.folder / name).stat().st_mtime_ns for name in run.made_once}
    assert now == run.made_once
    assert not list(run.folder.rglob(".before"))


def test_a_second_run_has_nothing_to_do(run: Run):
    assert run.again.returncode == 0
    assert "Nothing to be done" in run.again.stdout + run.again.stderr


def test_the_report_states_how_often_an_image_was_opened(run: Run):
    page = (run.folder / "report" / "report.html").read_text("utf-8")
    assert page.count("<td>an image opened</td>") == 2  # validation, withheld
    assert page.count("<td>an image opened instead of an answer</td>") == 2
    card = (run.folder / "stage3" / "README.md").read_text("utf-8")
    assert "| drawings, an image opened (validation) | " in card
    assert "| questions, an image opened (withheld) | " in card


def test_calls_that_ended_leave_their_cpu_seconds_beside_the_folder(run: Run):
    for name in (".base", ".stage3", "scores-stage3/.drawn-validation"):
        for line in (run.folder / f"{name}.cpu_seconds").read_text().splitlines():
            user, system = map(float, line.split())
            assert user > 0
            assert system > 0
    # Stage 2 was killed, then met a full disk, then ended: the second and third call left a line.
    assert len((run.folder / ".stage2.cpu_seconds").read_text().splitlines()) == 2


def test_figures_of_a_run_are_set_beside_baselines(run: Run):
    program = ROOT / "benchmarks" / "tiny_vargpt.py"
    words = (sys.executable, program, "--run", run.folder)
    found = subprocess.run(words, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    lines = found.stdout.splitlines()
    assert lines[0].startswith("| figure | value | 95 % | chance | best constant | untrained |")
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in lines if " | " in line}
    assert {"image opened, questions", "questions right", "drawn: colour and shape"} <= set(rows)
    assert {"base", "stage2", "scores-stage3/asked-withheld", "together"} <= set(rows)


def test_the_model_card_holds_what_was_trained_and_scored(run: Run):
    stage3 = run.folder / "stage3"
    card = (stage3 / "README.md").read_text("utf-8")
    manifest = json.loads((stage3 / "manifest.json").read_text())
    assert "trained here on the sample world" in card
    assert "license" not in yaml.safe_load(card.split("---")[1])
    assert f"Weights sha256 `{manifest['model_sha256']}`" in card
    assert f"| 3 | {manifest['num_trained_parameters']:,} | 2 | 8 | 0.002 |" in card
    asked = json.loads((run.folder / "scores-stage3/asked-validation/summary.json").read_text())
    right = asked["world_questions"]["metrics"]["accuracy"]["value"]
    assert f"| questions (validation) | {100 * right:.1f} % |" in card
    read = json.loads((run.folder / "scores-stage3/read-withheld/summary.json").read_text())
    colour = read["world"]["by_attribute"]["colour"]["value"]
    assert f"| drawings, colour (withheld) | {100 * colour:.1f} % |" in card


def test_the_data_card_holds_what_was_built(run: Run):
    card = (run.folder / "data-1270k" / "README.md").read_text("utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert "Sample-World-Instruct" in front["pretty_name"]
    assert "ImageNet" not in front["pretty_name"]
    assert "| rows | 300 |" in card


def test_every_rule_goes_on_in_its_finished_folder(run: Run):
    """As after a kill between a command's end and Snakemake's note of it: the outputs are gone."""
    steps = [path.read_text() for path in sorted(run.folder.rglob("metrics.jsonl"))]
    weights = run.folder / "stage3" / "model.safetensors"
    before = sha256(weights.read_bytes()).hexdigest()
    forced = snakemake(*WORDS, "--forceall", cwd=run.folder.parent)
    assert forced.returncode == 0, forced.stdout[-2_000:] + forced.stderr[-2_000:]
    assert sha256(weights.read_bytes()).hexdigest() == before
    assert [path.read_text() for path in sorted(run.folder.rglob("metrics.jsonl"))] == steps
    assert not list(run.folder.rglob(".before"))


def test_a_changed_parameter_runs_what_depends_on_it_and_nothing_else(run: Run):
    words = (*WORDS, "questions=10", "-n", "-q", "rules")
    changed = snakemake(*words, cwd=run.folder.parent)
    jobs = dict(line.split() for line in changed.stdout.splitlines() if len(line.split()) == 2)
    assert jobs.get("questions_answered") == "2", changed.stdout + changed.stderr
    assert (jobs["report"], jobs["model_card"]) == ("1", "1")
    assert not {"stage", "generate", "base"} & set(jobs)
