"""What README and docs name exists, and .ci/run runs README's own test command."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.docs.page_commands import PAGES, ROOT, name_of

README = (ROOT / "README.md").read_text("utf-8")


def test_readme_gives_the_two_commands_that_do_all_set_up():
    assert "\npip install uv && uv run datagen build-130k\n" in README
    assert "\nuv run --all-packages pytest\n" in README


def test_ci_runs_the_test_command_of_the_readme():
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    pattern = re.search(r"grep -m1 -E '([^']+)' README\.md", ci)
    assert pattern
    assert re.search(pattern[1], README, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path):
    for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", page.read_text("utf-8")):
        found = page.parent / target if target else page
        assert found.exists(), f"{page.name}: {target}"
        assert not heading or heading in anchors_of(found), f"{page.name}: {target}#{heading}"


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def test_every_command_of_datagen_has_help_with_an_example():
    from vargpt_datagen.cli import app

    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        shown = CliRunner().invoke(app, [name, "--help"])
        assert shown.exit_code == 0
        assert f"Example: datagen {name}" in shown.output
