"""What a run of the workflow would do, as Snakemake prints it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SNAKEMAKE = shutil.which("snakemake", path=str(Path(sys.executable).parent))
SLURM = ("--profile", str(ROOT / "pipelines" / "profiles" / "slurm"))
PATIENCE_S = 900.0
# Rules call commands by name: those installed beside this Python.
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

needs_snakemake = pytest.mark.skipif(
    SNAKEMAKE is None, reason="the group `pipelines` is not installed: uv sync --group pipelines"
)


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a dry run."""

    rule: str
    resources: Mapping[str, str]
    commands: tuple[tuple[str, ...], ...]  # words of every line but begin.py's


def snakemake(
    *words: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`snakemake WORDS` with this repository's Snakefile, to its end."""
    assert SNAKEMAKE
    return subprocess.run(
        [SNAKEMAKE, "-s", str(ROOT / "pipelines" / "Snakefile"), *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=environment or ENVIRONMENT,
        timeout=PATIENCE_S,
    )


def planned(cwd: Path, scale: str, *words: str) -> list[Job]:
    """The jobs of a scale on a cluster; `words` are options and targets."""
    config = ("--config", f"scale={scale}", "out=run")
    ran = snakemake(*config, *SLURM, "-n", "-p", *words, cwd=cwd)
    assert ran.returncode == 0, ran.stdout[-2_000:] + ran.stderr[-2_000:]
    return [_job(text) for text in re.split(r"\n\[[^\n]*\]\n", ran.stdout + ran.stderr)[1:]]


def untimed(line: str) -> str:
    """A line of a rule without what measures its CPU seconds."""
    timed = r"\{ time (.*) 2>&3; \} 3>&2 2>> \S+\.cpu_seconds"
    found = re.fullmatch(timed, line.strip())
    return found[1] if found else line.strip()


def _job(text: str) -> Job:
    rule = re.search(r"^(?:local)?rule (\w+):$", text, re.MULTILINE)
    assert rule, text
    listed = re.search(r"^    resources: (.*)$", text, re.MULTILINE)
    assert listed, text
    resources = dict(pair.split("=", 1) for pair in listed[1].split(", "))
    shell = text.partition("Shell command: ")[2].partition("\n\n")[0]
    lines = [tuple(shlex.split(untimed(line))) for line in shell.splitlines() if line.strip()]
    own = tuple(words for words in lines if not words[1:2] or not words[1].endswith("begin.py"))
    return Job(rule[1], resources, own)
