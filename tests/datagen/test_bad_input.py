"""Bad input to `datagen`: one line that says where, what, and what to do; exit code 2."""

from pathlib import Path

import pytest

from tests.datagen.command import datagen
from tests.datagen.enriched import write_enriched


def refused(*words: object, cwd: Path) -> str:
    """The error line of a command that must end with 2."""
    ran = datagen(*words, cwd=cwd)
    assert ran.returncode == 2, (ran.stdout, ran.stderr)
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in ran.stderr
    return line


def test_missing_captions_are_named(tmp_path: Path):
    line = refused("build-130k", "--captions", "no.parquet", cwd=tmp_path)
    assert line.startswith("error: no.parquet: no such file or folder")


def test_fewer_captions_than_rows_and_spares_say_how_many_would_do(tmp_path: Path):
    captions = [f"a dog near a {word}" for word in ("sofa", "road", "lawn", "roof")] * 10
    write_enriched(tmp_path / "c.parquet", captions)
    line = refused("build-130k", "--captions", "c.parquet", "--rows", 29, cwd=tmp_path)
    assert (
        "40 usable captions found (0 unfit ones dropped), --rows 29 and 12 spares need 41" in line
    )
    assert line.endswith("or --rows 28.")
    assert not (tmp_path / "130k-imagenet").exists()


def test_too_few_captions_to_draw_shots_from_are_refused(tmp_path: Path):
    write_enriched(tmp_path / "c.parquet", [f"a dog {at}" for at in range(12)])
    line = refused("build-130k", "--captions", "c.parquet", "--rows", 2, cwd=tmp_path)
    assert "12 usable captions found, at least 14 are needed to draw shots from" in line


@pytest.mark.parametrize("rows", [0, -5])
def test_no_rows_are_refused(rows, tmp_path: Path):
    assert "at least 1 was expected" in refused("build-130k", "--rows", rows, cwd=tmp_path)


def test_shot_sets_outside_their_range_are_refused(tmp_path: Path):
    line = refused("build-130k", "--shot-sets", 1, "--rows", 10, cwd=tmp_path)
    assert "--shot-sets 1: 2 to" in line


def test_a_changed_configuration_on_a_started_folder_is_refused(tmp_path: Path):
    assert datagen("build-130k", "--rows", 30, "--out", "o", cwd=tmp_path).returncode == 0
    line = refused("build-130k", "--rows", 30, "--seed", 1, "--out", "o", cwd=tmp_path)
    assert "(seed: started with 0, now 1)" in line
    line = refused("build-130k", "--rows", 20, "--out", "o", cwd=tmp_path)
    assert "rows: 30 published, now 20" in line


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("rows: [", "cannot be read as TOML"),
        ("rows = ", "cannot be read as TOML"),
        ("row = 5", "option 'row' found, one of captions, "),
    ],
)
def test_a_config_file_that_is_wrong_is_refused(text, part, tmp_path: Path):
    (tmp_path / "c.toml").write_text(text)
    assert part in refused("build-130k", "--config", "c.toml", cwd=tmp_path)


def test_a_missing_config_file_is_named(tmp_path: Path):
    assert "no.toml: cannot be read" in refused("build-130k", "--config", "no.toml", cwd=tmp_path)


def test_an_unknown_option_ends_with_2_as_well(tmp_path: Path):
    ran = datagen("build-130k", "--row", "5", cwd=tmp_path)
    assert ran.returncode == 2
    assert "No such option" in ran.stderr


@pytest.mark.parametrize("verb", ["verify", "report", "show"])
def test_a_folder_that_is_no_build_is_refused(verb, tmp_path: Path):
    (tmp_path / "other").mkdir()
    assert "build" in refused(verb, "other", cwd=tmp_path)
    assert "missing" in refused(verb, "missing", cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('rows = "many"', "'many' is not a valid int"),
        ("rows = 1.5", "'1.5' is not a valid int"),
        ("rows = true", "'True' is not a valid int"),
        ("rows = inf", "'inf' is not a valid int"),
        ("rows = [1]", "rows is a list"),
        ("seed = 2024-01-01", "seed is a date"),
        ("[seeds]", "seeds is a dict"),
        ('shots = "none"', "'none' is not one of"),
    ],
)
def test_a_config_value_of_a_wrong_type_ends_with_2(text, part, tmp_path: Path):
    (tmp_path / "c.toml").write_text(text)
    ran = datagen("build-130k", "--config", "c.toml", cwd=tmp_path)
    assert ran.returncode == 2
    assert part in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path):
    (tmp_path / "mine" / "data").mkdir(parents=True)
    (tmp_path / "mine" / "README.md").write_text("mine")
    (tmp_path / "mine" / "data" / "mine.parquet").write_bytes(b"x")
    line = refused("build-130k", "--rows", 10, "--out", "mine", cwd=tmp_path)
    assert "files found that no build wrote (README.md, data)" in line
    assert (tmp_path / "mine" / "README.md").read_text() == "mine"
    assert (tmp_path / "mine" / "data" / "mine.parquet").exists()


def test_an_image_root_that_is_not_there_is_refused_before_anything_is_written(tmp_path: Path):
    line = refused("build-130k", "--rows", 10, "--image-root", "none", "--out", "o", cwd=tmp_path)
    assert "--image-root none: no such folder" in line
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("text", ["{", "[1]", "3", ""])
def test_a_damaged_configuration_is_named(text, tmp_path: Path):
    assert datagen("build-130k", "--rows", 10, "--out", "o", cwd=tmp_path).returncode == 0
    (tmp_path / "o" / ".work" / "config.json").write_text(text)
    line = refused("build-130k", "--rows", 10, "--out", "o", cwd=tmp_path)
    assert "config.json: damaged" in line


@pytest.mark.parametrize("part", ["data", "rejects"])
def test_a_file_where_a_folder_belongs_is_named(part, tmp_path: Path):
    (tmp_path / "o" / ".work").mkdir(parents=True)
    (tmp_path / "o" / part).write_text("in the way")
    line = refused("build-130k", "--rows", 2_000, "--out", "o", cwd=tmp_path)
    assert f"o/{part}" in line
