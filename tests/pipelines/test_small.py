"""The small scale by three commands on bare machines, at a cut size, without our packages."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_FILES, MAX_FILE_BYTES = 8, 15 * 2**20
ABSENT = (
    "vargpt",
    "_vargpt",
    "__editable__",
    "typer",
    "pandas",
    "datasets",
    "tensorboard",
    "openai",
)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Site packages without ours and what a bare machine may lack; ours from the source tree."""
    site = tmp_path_factory.mktemp("site")
    for path in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not path.name.startswith(ABSENT) and path.suffix != ".pth":
            (site / path.name).symlink_to(path)
    sources = sorted(ROOT.glob("packages/*/src"))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [*sources, site])),
        "OMP_NUM_THREADS": "1",
    }


def command(out: Path, work: Path, state: Path, *words: str) -> list[str]:
    return [
        *(sys.executable, "-S", str(ROOT / "pipelines" / "small.py"), "--cut"),
        *("--work", str(work), "--state", str(state), "--out", str(out), *words),
    ]


def run(environment, *words, **places) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(places["out"], places["work"], places["state"], *words),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def expect_small(state: Path) -> None:
    files = list(state.iterdir())
    assert 1 <= len(files) <= MAX_FILES
    assert all(path.stat().st_size <= MAX_FILE_BYTES for path in files)


def test_three_commands_on_bare_machines_and_a_kill_end_in_figures(environment, tmp_path):
    out = tmp_path / "out"
    states = [tmp_path / f"state-{number}" for number in range(4)]

    first = run(
        environment,
        *("--until", "image-tokenizer"),
        out=out,
        work=tmp_path / "machine-0",
        state=states[0],
    )
    assert first.returncode == 0, first.stderr[-3000:]
    assert first.stdout.splitlines()[-1] == f"1 of 6 steps done -> {out}"
    expect_small(states[0])

    # Killed on the second machine once the base is there; what it had kept goes to a third.
    second = subprocess.Popen(
        command(
            out,
            tmp_path / "machine-1",
            states[1],
            *("--from", str(states[0]), "--until", "stage3"),
        ),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    record = tmp_path / "machine-1" / "small.json"
    deadline = time.monotonic() + 900
    while not (record.exists() and "base" in json.loads(record.read_text())["done"]):
        assert second.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(second.pid, signal.SIGKILL)
    second.wait()
    third = run(
        environment,
        *("--from", str(states[1]), "--until", "stage3"),
        out=out,
        work=tmp_path / "machine-2",
        state=states[2],
    )
    assert third.returncode == 0, third.stderr[-3000:]
    expect_small(states[2])

    fourth = run(
        environment,
        *("--from", str(states[2])),
        out=out,
        work=tmp_path / "machine-3",
        state=states[3],
    )
    assert fourth.returncode == 0, fourth.stderr[-3000:]
    assert fourth.stdout.splitlines()[-1] == f"6 of 6 steps done -> {out}"
    expect_small(states[3])
    figures = json.loads((out / "figures.json").read_text())
    assert list(figures) == ["image-tokenizer", "base", "stage1", "stage2", "stage3", "scores"]
    assert figures["scores"]["validation"]["world"]["right"]["n"] == 16
    assert figures["scores"]["validation"]["world_questions"]["n"] == 14
    assert figures["scores"]["withheld"]["goal"] == {"right": 0.8, "is_met": False}

    # The same command again does nothing; a changed recipe is refused.
    places = {"out": out, "work": tmp_path / "machine-3", "state": states[3]}
    before = (places["work"] / "small.json").stat().st_mtime_ns
    assert run(environment, **places).stdout.splitlines()[-1] == f"6 of 6 steps done -> {out}"
    assert (places["work"] / "small.json").stat().st_mtime_ns == before
    uncut = [word for word in command(*places.values()) if word != "--cut"]
    refused = subprocess.run(
        uncut, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert refused.returncode == 2
    assert "a run of another configuration found" in refused.stderr


def test_the_limit_stops_a_step_and_the_same_command_goes_on(environment, tmp_path):
    places = {
        "out": tmp_path / "out",
        "work": tmp_path / "work",
        "state": tmp_path / "state",
    }
    until = ("--until", "image-tokenizer")
    stopped = run(environment, *until, "--limit-s", "0.01", **places)
    assert stopped.returncode == 0, stopped.stderr[-3000:]
    assert "stopped in image-tokenizer; the same command goes on there" in stopped.stderr
    assert stopped.stdout.splitlines()[-1].startswith("0 of 6 steps done")
    gone_on = run(environment, *until, **places)
    assert gone_on.stdout.splitlines()[-1].startswith("1 of 6 steps done"), gone_on.stderr[-3000:]
