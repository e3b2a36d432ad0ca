"""The workflow: dry runs of every scale, and folders begun."""

import importlib.util
import shlex
import subprocess
import sys

import pytest

from tests.pipelines.planned import ROOT, needs_snakemake, snakemake, untimed


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
def test_a_folder_of_another_parameter_or_input_is_kept_aside(tmp_path, what, text):
    source = tmp_path / "in"
    source.write_text("1")
    folder = tmp_path / "out"
    begin()(folder, "command --a 1", [source])
    folder.mkdir()
    (folder / "half-done").touch()
    source.write_text(text)
    begin()(folder, what, [source])
    assert not folder.exists()
    assert (tmp_path / ".before" / "out-1" / "half-done").exists()


def test_a_folder_comes_back_with_its_configuration(tmp_path):
    folder = tmp_path / "out"
    for number in ("1", "2", "3"):
        begin()(folder, f"command --a {number}", [])
        folder.mkdir()
        (folder / f"of-{number}").touch()
    begin()(folder, "command --a 1", [])
    assert (folder / "of-1").exists()
    begin()(folder, "command --a 1", [])
    assert (folder / "of-1").exists()
    begin()(folder, "command --a 3", [])
    assert (folder / "of-3").exists()
    kept = {path.name for path in tmp_path.glob(".before/out-*/of-*")}
    assert kept == {"of-1", "of-2"}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("datagen build-130k --max-usd 40 --out a", "datagen build-130k --max-usd 60 --out a"),
        ("datagen build-130k --out a", "datagen build-130k --in-flight 64 --out a"),
        (
            "vargpt train 3 --set save_every=200 --set epochs=12",
            "vargpt train 3 --set save_every=50 --set epochs=12",
        ),
    ],
)
def test_a_raised_cap_or_more_checkpoints_go_on_in_the_same_folder(tmp_path, before, now):
    folder = tmp_path / "out"
    begin()(folder, before, [])
    folder.mkdir()
    (folder / "paid").touch()
    begin()(folder, now, [])
    assert (folder / "paid").exists()


def test_cpu_seconds_go_with_their_folder(tmp_path):
    folder, seconds = tmp_path / "out", tmp_path / ".out.cpu_seconds"
    begin()(folder, "command --a 1", [])
    folder.mkdir()
    (folder / "of-1").touch()
    seconds.write_text("10.0 1.0")
    begin()(folder, "command --a 2", [])
    assert not seconds.exists()
    begin()(folder, "command --a 1", [])
    assert seconds.read_text() == "10.0 1.0"


def test_a_kill_between_the_folder_and_its_stamp_loses_neither(tmp_path):
    folder = tmp_path / "out"
    begin()(folder, "command --a 1", [])
    folder.mkdir()
    (folder / "of-1").touch()
    (tmp_path / ".before").mkdir()
    folder.rename(tmp_path / ".before" / "out-1")  # killed here: the stamp lies where it was
    begin()(folder, "command --a 2", [])
    assert not folder.exists()
    folder.mkdir()
    (folder / "of-2").touch()
    (tmp_path / ".out.begun").unlink()  # killed before the stamp of a folder was written
    begin()(folder, "command --a 2", [])
    assert not folder.exists()
    kept = {path.name for path in tmp_path.glob(".before/out-*/of-*")}
    assert kept == {"of-1", "of-2"}


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    ran = subprocess.run(
        [sys.executable, ROOT / "pipelines" / "begin.py", tmp_path / "file" / "stage1", "command"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"error: {tmp_path / 'file'}")
    assert "; a folder that this user may fill was expected" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


@needs_snakemake
@pytest.mark.slow
@pytest.mark.parametrize(("scale", "stages"), [("tiny", 3), ("small", 3), ("paper", 3)])
def test_a_dry_run_plans_three_stages_and_a_report(tmp_path, scale, stages):
    config = ("--config", f"scale={scale}", "out=run")
    planned = snakemake("--cores", "1", *config, "-n", "-q", "rules", cwd=tmp_path)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    jobs = dict(line.split() for line in planned.stdout.splitlines() if len(line.split()) == 2)
    assert (jobs["stage"], jobs["report"]) == (str(stages), "1")


@needs_snakemake
@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["scales=small"], "--config scales: no such key, one of "),
        (["scale=huge"], "--config scale=huge: one of tiny, small, paper was expected"),
        (
            ["rows={tran: 5}"],
            "--config rows: tran: no such key, one of 1270k, 130k, class, train, ",
        ),
        (["train=5"], "--config train=5: KEY: VALUE of image_tokenizer, base, 1, 2, 3 was"),
        (["scale=paper", "cut=1"], "--config cut=1: found with scale=paper, tiny or small was"),
        (["data={3: [130k]}"], "data: 130k found, and no number of its rows, which was expected"),
        (["out=my run"], "--config out=my run: a path of letters, digits and ./+@=_- alone was"),
        (["out=file/run"], "--config out=file/run: file found, a folder that this user may fill"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_in_one_line(tmp_path, words, said):
    (tmp_path / "file").touch()
    ran = snakemake("--cores", "1", "-n", "--config", *words, cwd=tmp_path)
    assert ran.returncode != 0
    assert any(line.startswith(said) for line in (ran.stdout + ran.stderr).splitlines())
    assert "Traceback" not in ran.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"file", ".snakemake"}


@needs_snakemake
@pytest.mark.slow
def test_a_cut_run_has_a_folder_of_its_own(tmp_path):
    for words, folder in ((["cut=1"], "reproduction/tiny-cut"), ([], "reproduction/tiny")):
        planned = snakemake("-n", "-p", "--cores", "1", "--config", *words, cwd=tmp_path)
        assert f"--out {folder}/stage3 " in planned.stdout + planned.stderr


@needs_snakemake
@pytest.mark.slow
def test_the_seed_of_a_run_is_that_of_every_training(tmp_path):
    planned = snakemake("-n", "-p", "--cores", "1", "--config", "seed=7", cwd=tmp_path)
    lines = map(untimed, (planned.stdout + planned.stderr).splitlines())
    trains = [line for line in lines if line.startswith("vargpt train ")]
    assert len(trains) == 5
    assert all("--set seed=7 " in line for line in trains)


@needs_snakemake
@pytest.mark.slow
def test_numbers_in_a_mapping_of_the_command_line_take_the_place_of_the_files(tmp_path):
    words = ["scale=paper", "cpu=1", "nodes={2: 1}", "train={3: {max_steps: 5}}", "out="]
    planned = snakemake("-n", "-p", "--cores", "1", "--config", *words, cwd=tmp_path)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    lines = list(map(untimed, (planned.stdout + planned.stderr).splitlines()))
    stage = {
        number: next(line for line in lines if f" vargpt train {number} " in line)
        for number in ("1", "2", "3")
    }
    assert stage["2"].startswith("torchrun --nproc-per-node=8 --no-python vargpt train 2 ")
    assert stage["1"].startswith("srun --nodes=8 --ntasks-per-node=1 --cpus-per-task=64 bash -c ")
    assert "--set max_steps=5 " in stage["3"] + " "
    assert "--out reproduction/paper/stage3 " in stage["3"]


@needs_snakemake
@pytest.mark.slow
def test_other_nodes_go_on_in_the_folder_that_was_begun(tmp_path):
    begun = []
    for nodes in (8, 4):
        words = ["scale=paper", "cpu=1", f"nodes={{3: {nodes}}}", "out=run"]
        planned = snakemake("-n", "-p", "--cores", "1", "--config", *words, cwd=tmp_path)
        for line in (planned.stdout + planned.stderr).splitlines():
            if "begin.py run/stage3 " in line:
                begun.append(shlex.split(line.partition("begin.py ")[2])[1])
    assert len(begun) == 2
    assert begun[0] == begun[1]
    assert begun[0].startswith("vargpt train 3 ")
