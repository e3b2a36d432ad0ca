"""What README and docs name exists, and .ci/run runs README's own test command."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def command_names() -> dict[str, set[str]]:
    from vargpt_datagen.cli import app as datagen
    from vargpt_eval.cli import app as vargpt_eval

    names = {}
    for program, app in {"datagen": datagen, "vargpt-eval": vargpt_eval}.items():
        names[program] = {
            command.name or (command.callback.__name__ if command.callback else "")
            for command in app.registered_commands
        }
    return names


def test_readme_gives_the_two_commands_that_do_all_set_up():
    assert "\npip install uv && uv run datagen build-130k\n" in README
    assert "\nuv run --all-packages pytest\n" in README


def test_ci_runs_the_test_command_of_the_readme():
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    pattern = re.search(r"grep -m1 -E '([^']+)' README\.md", ci)
    assert pattern
    assert re.search(pattern[1], README, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_in_the_pages_exist(page: Path):
    names = command_names()
    for program, verb in re.findall(
        r"^(?:uv run )?(datagen|vargpt-eval) ([a-z0-9-]+)", page.read_text("utf-8"), re.MULTILINE
    ):
        assert verb in names[program], f"{page.name}: {program} {verb}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_command_of_datagen_has_help_with_an_example():
    from vargpt_datagen.cli import app

    for name in command_names()["datagen"]:
        shown = CliRunner().invoke(app, [name, "--help"])
        assert shown.exit_code == 0
        assert f"Example: datagen {name}" in shown.output


def test_every_option_of_the_readme_exists():
    from vargpt_datagen.cli import app

    for verb, rest in re.findall(r"uv run datagen ([a-z0-9-]+)([^\n#`]*)", README):
        shown = CliRunner().invoke(app, [verb, "--help"]).output
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in shown, f"datagen {verb} {option}"
