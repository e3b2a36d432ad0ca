"""The Slurm scripts, with srun and vargpt replaced: their ranks, and options that exist."""

import os
import subprocess
from pathlib import Path

import pytest
import typer

from vargpt_model.cli import app
from vargpt_model.settings import with_settings
from vargpt_model.stage_training import stage_training

SCRIPTS = Path(__file__).parents[2] / "docs" / "slurm"
COMMANDS = {
    "scontrol": 'echo "scontrol $*" >> "$SAID"; echo node-a; echo node-b',
    "srun": 'for id in 0 1; do SLURM_PROCID=$id SLURM_LOCALID=$id "$@"; done',
    "vargpt": 'printf "%s\\n" "$RANK/$WORLD_SIZE on $MASTER_ADDR" "$@" > "$SAID-rank-$RANK"',
}


def ran(tmp_path: Path, script: str, stage: str, *, is_finished: bool) -> list[str]:
    """Runs a script; what its second rank was, and the words of `vargpt`."""
    for name, body in COMMANDS.items():
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(f"#!/bin/bash\n{body}\n")
        command.chmod(0o755)
    out = tmp_path / "out put"
    out.mkdir()
    if is_finished:
        (out / "manifest.json").touch()
    given = {
        "STAGE": stage,
        "MODEL": "a model",
        "DATA": "rows more:2",
        "IMAGE_ROOT": "images",
        "CODES": "codes",
        "OUT": str(out),
        "SLURM_JOB_ID": "123456",
        "SLURM_JOB_NODELIST": "node-[a-b]",
        "SLURM_CPUS_PER_TASK": "8",
        "SLURM_NTASKS": "16",
        "SAID": str(tmp_path / "said"),
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", str(SCRIPTS / script)], env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return (tmp_path / "said-rank-1").read_text().splitlines()


@pytest.mark.parametrize("script", ["stage_8_gpus.sbatch", "stage_64_gpus.sbatch"])
@pytest.mark.parametrize(("stage", "engine"), [("1", "ddp"), ("2", "fsdp2"), ("3", "ddp")])
def test_every_rank_runs_a_command_that_exists(tmp_path, script, stage, engine):
    rank, *words = ran(tmp_path, script, stage, is_finished=True)
    assert rank == "1/16 on node-a"
    assert words[:2] == ["train", stage]
    context = typer.main.get_command(app).make_context("vargpt", words, resilient_parsing=False)
    train = context.command.get_command(context, "train")  # pyright: ignore
    group = train.make_context("train", words[1:], parent=context)
    parsed = train.get_command(group, stage).make_context(stage, words[2:], parent=group).params
    assert list(parsed["data"]) == ["rows", "more:2"]
    assert str(parsed["model"]) == "a model"
    assert (parsed["engine"], str(parsed["out"])) == (engine, str(tmp_path / "out put"))
    training = with_settings(stage_training(stage), parsed["settings"])  # pyright: ignore
    assert training.save_every == 200
    assert training.batch_size % 64 == 0


def test_a_job_that_is_not_done_comes_again(tmp_path):
    ran(tmp_path, "stage_8_gpus.sbatch", "3", is_finished=False)
    assert "scontrol requeue 123456" in (tmp_path / "said").read_text()


def test_a_finished_job_does_not(tmp_path):
    ran(tmp_path, "stage_8_gpus.sbatch", "3", is_finished=True)
    assert "requeue" not in (tmp_path / "said").read_text()


def test_both_scripts_differ_in_machines_and_hours_alone():
    one, eight = (
        (SCRIPTS / name).read_text().splitlines()
        for name in ("stage_8_gpus.sbatch", "stage_64_gpus.sbatch")
    )
    changed = [(a, b) for a, b in zip(one, eight, strict=True) if a != b]
    assert changed[2:] == [
        ("#SBATCH --nodes=1", "#SBATCH --nodes=8"),
        ("#SBATCH --time=48:00:00", "#SBATCH --time=12:00:00"),
    ]
