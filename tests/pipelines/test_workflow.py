"""The workflow: dry runs of every scale, and folders begun."""

import importlib.util

import pytest

from tests.pipelines.planned import ROOT, needs_snakemake, snakemake


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
def test_a_key_that_no_configuration_has_is_refused(tmp_path):
    planned = snakemake("--cores", "1", "--config", "scales=small", "-n", cwd=tmp_path)
    assert planned.returncode != 0
    assert "--config scales: no such key, one of " in planned.stderr + planned.stdout


@needs_snakemake
@pytest.mark.slow
def test_a_scale_that_is_none_is_refused(tmp_path):
    planned = snakemake("--cores", "1", "--config", "scale=huge", "-n", cwd=tmp_path)
    assert planned.returncode != 0
    assert "scale=huge: one of tiny, small, paper was expected" in planned.stderr + planned.stdout
