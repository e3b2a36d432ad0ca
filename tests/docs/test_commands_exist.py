"""Every command that a page shows is one that its program would take."""

import re

import pytest

from tests.docs.command_lines import read
from tests.docs.page_commands import PAGES, Block, Command, commands_in, commands_of, spans_of

COMMANDS = [command for page in PAGES for command in [*commands_of(page), *spans_of(page)]]


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_the_programs_of_the_pages_take_what_the_pages_say(command: Command):
    read(command)


@pytest.mark.parametrize(
    "words",
    [
        "datagen build-130 --rows 5",
        "datagen build-130k --row 5",
        "datagen build-130k --rows five",
        "datagen build-130k --engine slurm",
        "vargpt train 4 --model DIR --data DIR --out DIR",
        "vargpt generate --model DIR --out DIR",
        "vargpt-eval stats draw FILE",
        "uv run --all-package datagen verify DIR",
        "uv run --package vargpt-data datagen verify DIR",
        "uv sync --group pipeline",
        "uv run pytest -m quick",
        "uv run python benchmarks/gone.py",
        "uv run python benchmarks/gpu.py --tiny",
        "pip install 'vargpt-datagen[ray]'",
        "snakemake -s pipelines/Snakefile --cores 2 --config scale=huge",
        "torchrun --nproc-per-node 8 -m vargpt_train 1",
        "make install",
    ],
)
def test_a_command_that_drifted_is_noticed(words: str):
    (command,) = commands_in("page.md", Block(1, "Start", "", words))
    with pytest.raises((AssertionError, LookupError), match=re.escape("page.md:1")):
        read(command)


def test_comments_continuations_variables_and_redirections_are_read_as_a_shell_reads_them():
    text = """export KEY=...   # a key
ON="--codes ./codes --set view=whole"
vargpt train 1 $ON \\
    --out ./stage1 && OTHER=1 datagen show ./a > b   # and more
"""
    first, second = commands_in("page.md", Block(7, "Start", "", text))
    assert first.words == (
        *("vargpt", "train", "1", "--codes", "./codes", "--set", "view=whole"),
        *("--out", "./stage1"),
    )
    assert dict(first.variables)["KEY"] == "..."
    assert second.words == ("datagen", "show", "./a")
    assert dict(second.variables)["OTHER"] == "1"
