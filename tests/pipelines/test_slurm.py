"""What the rules ask a cluster for, and what their commands say; no cluster is needed."""

import os
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.command_lines import read
from tests.docs.page_commands import Command
from tests.pipelines.planned import SLURM, Job, needs_snakemake, planned, snakemake

pytestmark = [needs_snakemake, pytest.mark.slow]
TARGETS = {
    "tiny": ("all", "ablations"),
    "small": ("all",),
    "paper": ("all", "tokenizer_openimages"),
}
ONLY_NAMES = ("all", "ablations")  # of targets: they run nothing
ON_A_GPU = re.compile(r"vargpt (train|encode|generate)|datagen caption|vargpt-eval (run|gen-met)")


@pytest.fixture(scope="module")
def jobs_of(tmp_path_factory: pytest.TempPathFactory):
    @cache
    def jobs(scale: str) -> list[Job]:
        folder = tmp_path_factory.mktemp(scale)
        found = planned(folder, scale, "--", *TARGETS[scale])
        return [job for job in found if job.rule not in ONLY_NAMES]

    return jobs


@pytest.mark.parametrize("scale", TARGETS)
def test_every_job_asks_for_memory_time_and_processors(scale, jobs_of):
    for job in jobs_of(scale):
        assert int(job.resources["mem_mb"]) >= 16_000, job
        assert int(job.resources["runtime"]) >= 60, job
        assert int(job.resources["cpus_per_task"]) >= 1, job


@pytest.mark.parametrize("scale", TARGETS)
def test_jobs_that_compute_with_a_model_ask_for_a_gpu_and_no_others(scale, jobs_of):
    for job in jobs_of(scale):
        words = " ".join(" ".join(line) for line in job.commands)
        asks = job.resources["gpu"] != "0" or "--gpus-per-node=" in str(
            job.resources.get("slurm_extra")
        )
        assert asks == bool(ON_A_GPU.search(words)), job


@pytest.mark.parametrize("scale", TARGETS)
def test_every_command_of_every_rule_is_one_that_its_program_takes(scale, jobs_of):
    rules = {job.rule for job in jobs_of(scale)}
    assert rules >= {"stage", "report", "model_card", *TARGETS[scale]} - {*ONLY_NAMES}
    for job in jobs_of(scale):
        for words in job.commands:
            if words[0] == "srun":  # srun ... bash -c 'torchrun ... "$@"' torchrun OURS
                words = words[words.index("torchrun") + 1 :]
            if not words[0].endswith("/python"):  # model_card.py, which the tiny run calls
                read(Command(job.rule, 0, words))


def test_paper_scale_asks_benchmarks_that_there_are(jobs_of):
    from vargpt_eval.benchmark.manifest import benchmarks

    (job,) = (job for job in jobs_of("paper") if job.rule == "benchmarks")
    words = job.commands[0]
    asked = set(words[words.index("--tasks") + 1].split(","))
    assert asked <= set(benchmarks())
    assert {"mmmu_val", "pope_adv", "pope_pop", "pope_random", "mme"} <= asked


@pytest.fixture
def fake_slurm(tmp_path: Path) -> dict[str, str]:
    """An environment whose `sbatch` notes what it is asked for, and whose jobs all fail."""
    folder = tmp_path / "bin"
    folder.mkdir()
    programs = {
        "sbatch": 'echo "$*" >> "$SBATCH_LOG"; wc -l < "$SBATCH_LOG"',
        "sacct": 'case "$*" in *Account*) echo lab;; *) for n in 1 2 3 4 5; do echo "$n|FAILED"; '
        "done;; esac",
        **dict.fromkeys(("sinfo", "sacctmgr"), "echo lab"),
        **dict.fromkeys(("scontrol", "squeue", "scancel"), "true"),
    }
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "SBATCH_LOG": str(tmp_path / "asked"),
    }


def test_a_step_of_several_machines_is_submitted_with_all_their_gpus(tmp_path, fake_slurm):
    (tmp_path / "two.yaml").write_text("nodes: {codes: 2, 1: 8, 2: 8, 3: 8}\n")
    ran = snakemake(
        *("--config", "scale=paper", "out=run", "--configfile", str(tmp_path / "two.yaml")),
        *(*SLURM, "--slurm-init-seconds-before-status-checks", "1"),
        cwd=tmp_path,
        environment=fake_slurm,
    )
    assert ran.returncode != 0  # all jobs were said to have failed
    asked = {
        re.findall(r"--comment rule_(\w+)", line)[0]: line.partition(" --wrap")[0]
        for line in (tmp_path / "asked").read_text().splitlines()
    }
    assert set(asked) == {"captions", "codes", "prompts", "start"}, ran.stderr[-2_000:]
    assert "--nodes=2 --ntasks=2" in asked["codes"]
    assert "--gpus-per-node=8" in asked["codes"]
    assert "--gpus=1" in asked["captions"]
    assert "gpus" not in asked["prompts"] + asked["start"]


def test_without_slurm_the_run_says_so_and_starts_nothing(tmp_path):
    ran = snakemake("--config", "scale=paper", "out=run", *SLURM, cwd=tmp_path)
    assert ran.returncode != 0
    assert "no command sbatch found, a login node of a Slurm cluster was expected" in ran.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("scale", ["small", "paper"])
def test_without_a_gpu_the_run_says_so_and_starts_nothing(tmp_path, scale):
    nothing = {**os.environ, "PATH": "/usr/bin:/bin"}
    ran = snakemake(
        "--config", f"scale={scale}", "out=run", "--cores", "1", cwd=tmp_path, environment=nothing
    )
    if (Path("/usr/bin") / "nvidia-smi").exists():
        pytest.skip("this machine may have a GPU")
    assert ran.returncode != 0
    assert f"scale={scale}: no GPU found (nvidia-smi -L), one was expected" in ran.stderr
    assert not (tmp_path / "run").exists()
