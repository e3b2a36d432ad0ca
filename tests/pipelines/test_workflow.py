"""The workflow: dry runs of every scale, what a changed parameter runs again, and folders begun."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SNAKEMAKE = shutil.which("snakemake", path=str(Path(sys.executable).parent))


def begin():
    spec = importlib.util.spec_from_file_location("begin", ROOT / "pipelines" / "begin.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.begin


def test_a_folder_that_the_same_step_began_is_left_alone(tmp_path):
    source = tmp_path / "in"
    source.write_text("1")
    folder = tmp_path / "out"
    begin()(folder, "command --a 1", [source])
    folder.mkdir()
    (folder / "half-done").touch()
    begin()(folder, "command --a 1", [source])
    assert (folder / "half-done").exists()


@pytest.mark.parametrize(("what", "text"), [("command --a 2", "1"), ("command --a 1", "2")])
def test_a_folder_of_another_parameter_or_input_is_emptied(tmp_path, what, text):
    source = tmp_path / "in"
    source.write_text("1")
    folder = tmp_path / "out"
    begin()(folder, "command --a 1", [source])
    folder.mkdir()
    (folder / "half-done").touch()
    source.write_text(text)
    begin()(folder, what, [source])
    assert not folder.exists()


def snakemake(out: Path, *words: str, scale: str = "tiny") -> subprocess.CompletedProcess[str]:
    assert SNAKEMAKE
    return subprocess.run(
        [
            *(SNAKEMAKE, "-s", str(ROOT / "pipelines" / "Snakefile"), "--cores", "1"),
            *("--config", f"scale={scale}", "cut=1", f"out={out}", *words),
        ],
        cwd=out.parent,
        capture_output=True,
        text=True,
        check=False,
    )


needs_snakemake = pytest.mark.skipif(
    SNAKEMAKE is None, reason="the group `pipelines` is not installed: uv sync --group pipelines"
)


@needs_snakemake
@pytest.mark.slow
@pytest.mark.parametrize(("scale", "stages"), [("tiny", 3), ("small", 3), ("paper", 3)])
def test_a_dry_run_plans_three_stages_and_a_report(tmp_path, scale, stages):
    cut = () if scale == "tiny" else ("cut=",)
    planned = snakemake(tmp_path / "run", *cut, "-n", "-q", "rules", scale=scale)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    jobs = dict(line.split() for line in planned.stdout.splitlines() if len(line.split()) == 2)
    assert (jobs["stage"], jobs["report"]) == (str(stages), "1")


@needs_snakemake
@pytest.mark.slow
def test_a_scale_that_is_none_is_refused(tmp_path):
    planned = snakemake(tmp_path / "run", "-n", scale="huge")
    assert planned.returncode != 0
    assert "scale=huge: one of tiny, small, paper was expected" in planned.stderr + planned.stdout


@needs_snakemake
@pytest.mark.slow
def test_the_cut_down_run_ends_in_a_report_resumes_after_a_kill_and_has_nothing_to_do_twice(
    tmp_path,
):
    import os
    import signal
    import time

    out = tmp_path / "run"
    assert SNAKEMAKE
    words = (SNAKEMAKE, "-s", str(ROOT / "pipelines" / "Snakefile"), "--cores", "2", "--config")
    started = subprocess.Popen(
        [*words, "scale=tiny", "cut=1", f"out={out}"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 240
    while not (out / "stage1" / "manifest.json").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    made = (out / "image-tokenizer" / "manifest.json").stat().st_mtime_ns
    resumed = snakemake(out)
    assert resumed.returncode == 0, resumed.stdout[-3000:] + resumed.stderr[-3000:]
    assert (out / "image-tokenizer" / "manifest.json").stat().st_mtime_ns == made
    card = (out / "stage3" / "README.md").read_text("utf-8")
    assert "trained here on the sample world" in card
    assert "| questions (validation) |" in card
    assert (out / "report" / "report.html").stat().st_size > 1_000

    again = snakemake(out)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout + again.stderr

    changed = snakemake(out, "questions=10", "-n", "-q", "rules")
    jobs = dict(line.split() for line in changed.stdout.splitlines() if len(line.split()) == 2)
    assert jobs.get("questions_answered") == "2", changed.stdout + changed.stderr
    assert (jobs["report"], jobs["model_card"]) == ("1", "1")
    assert not {"stage", "generate", "base"} & set(jobs)
