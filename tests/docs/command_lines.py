"""Reads a page's command with the very parser of its program; nothing is run.

`read` fails where a program, a sub-command, an option or a value is not there any more.
"""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from tests.docs.page_commands import ROOT, Command

MISUSE: type[Any] = typer.BadParameter.__mro__[1]  # of a command line; typer has no name for it
# What a synopsis writes in capitals where its program wants a value of some kind.
VALUES = {
    "ANSWERS": "answers.jsonl",
    "FILE": os.devnull,  # options from an empty file, and outputs that are not written
    "FORM": "jsonl",
    "K": "4",
    "N": "1",
    "NAME": "gqa",
    "NAME,...": "gqa",
}


def read(command: Command) -> None:
    """Parse a command; an exception says what is wrong with it."""
    program, *words = command.words
    if program not in READERS:
        raise LookupError(
            f"{command}: a test knows how to read {', '.join(sorted(READERS))}. Mark a block that "
            "is no shell with its language (```text), or write a reader in command_lines.py."
        )
    READERS[program](words, command)


def _without_brackets(words: Sequence[str]) -> list[str]:
    """A synopsis with all its optional parts, the first of its alternatives, and values."""
    plain = [word.strip("[]").split("|")[0] for word in words if word != "..."]
    return [VALUES.get(word, word) for word in plain if word]


@cache
def _command_of(program: str):
    if program == "datagen":
        from vargpt_datagen.cli import app
    elif program == "vargpt":
        from vargpt_model.cli import app
    else:
        from vargpt_eval.cli import app
    return typer.main.get_command(app)


def _ours(program: str) -> Callable[[Sequence[str], Command], None]:
    def reader(words: Sequence[str], command: Command) -> None:
        is_whole = command.is_whole and "..." not in words
        rest, found = _without_brackets(words), _command_of(program)
        while isinstance(found, TyperGroup) and rest and not rest[0].startswith("-"):
            verb = rest.pop(0)
            assert verb in found.commands, f"{command}: {verb} is none of {list(found.commands)}"
            found = found.commands[verb]
        if "--help" in rest:
            return
        assert not isinstance(found, TyperGroup), f"{command}: a command was expected"
        try:
            found.make_context(program, rest).close()
        except MISUSE as error:  # pyright: ignore[reportGeneralTypeIssues]
            said = error.format_message()
            # A span may stop before what is needed: "datagen world --for", "vargpt train base".
            is_cut = said.startswith("Missing") or "requires an argument" in said
            assert is_cut and not is_whole, f"{command}: {said}"

    return reader


def _uv(words: Sequence[str], command: Command) -> None:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("no uv command here")
    verb = 2 if words[0] == "pip" else 1
    shown = _help(uv, *words[:verb])
    rest = list(words[verb:])
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        name = option.split("=")[0]
        assert re.search(rf"{name}(?![\w-])", shown), f"{command}: uv {words[0]} has no {name}"
        if f"{name} <" in shown and "=" not in option:
            value = rest.pop(0)
            _check_uv_value(name, value, command)
    if words[0] == "run":
        assert rest, f"{command}: nothing to run"
        read(replace(command, words=tuple(rest)))


def _check_uv_value(option: str, value: str, command: Command) -> None:
    packages, groups = _projects()
    if option == "--package":
        assert value in packages, f"{command}: no package {value}"
    if option == "--extra":
        extras = {extra for found in packages.values() for extra in found}
        assert value in extras, f"{command}: no extra {value}"
    if option == "--group":
        assert value in groups, f"{command}: no group {value}"


@cache
def _projects() -> tuple[dict[str, set[str]], set[str]]:
    """Extras by package, and the workspace's dependency groups."""
    packages = {}
    for path in (ROOT / "packages").glob("*/pyproject.toml"):
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        packages[project["name"]] = set(project.get("optional-dependencies", {}))
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return packages, set(workspace["dependency-groups"])


@cache
def _help(*words: str) -> str:
    done = subprocess.run([*words, "--help"], capture_output=True, text=True, check=True)
    return done.stdout


def _pip(words: Sequence[str], command: Command) -> None:
    """Nothing of ours is on a package index, so that only the tools of others can be named."""
    assert words[0] == "install", f"{command}: pip {words[0]}"
    for word in words[1:]:
        assert not word.startswith("vargpt"), f"{command}: {word} is on no package index"


def _python(words: Sequence[str], command: Command) -> None:
    if words[0] == "-c":
        compile(words[1], str(command), "exec")
        return
    program = ROOT / words[0]
    assert program.is_file(), f"{command}: no {words[0]}"
    text = program.read_text("utf-8")
    for word in words[1:]:
        if word.startswith("--"):
            assert f'"{word}"' in text, f"{command}: {words[0]} has no {word}"


def _pytest(words: Sequence[str], command: Command) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]
    markers = {text.split(":")[0] for text in settings["ini_options"]["markers"]}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            assert (ROOT / word).exists(), f"{command}: no {word}"
            continue
        value = rest.pop(0)
        assert word in ("-m", "-n"), f"{command}: {word}"
        assert word != "-m" or value in markers, f"{command}: no marker {value}"


def _torchrun(words: Sequence[str], command: Command) -> None:
    """Its own options first; what it starts is one of our commands, or our module."""
    rest = list(words)
    starts_module = True
    while rest[0].startswith("-"):
        name, is_given, _ = rest.pop(0).partition("=")
        if name == "--no-python":
            starts_module = False
        elif name == "-m":
            assert rest[0] == "vargpt_eval", f"{command}: {rest[0]}"
            rest[0] = "vargpt-eval"
            starts_module = False
        else:
            assert name == "--nproc-per-node", f"{command}: {name}"
            del rest[: 0 if is_given else 1]
    assert not starts_module, f"{command}: -m or --no-python was expected"
    assert rest[0] in ("datagen", "vargpt", "vargpt-eval"), f"{command}: {rest[0]}"
    read(replace(command, words=tuple(rest)))


def _snakemake(words: Sequence[str], command: Command) -> None:
    """Dry runs of all scales are in tests/pipelines; here, that the page asks for one of them."""
    assert words[:2] == ["-s", "pipelines/Snakefile"], str(command)
    rest = list(words[2:])
    while rest and rest[0] != "--":  # behind it are targets
        word = rest.pop(0)
        name, _, value = word.partition("=")
        if word == "--cores":
            assert rest.pop(0).isdigit(), str(command)
        elif word == "--profile":
            assert (ROOT / rest.pop(0) / "config.yaml").is_file(), str(command)
        elif word != "--config":
            assert name in ("scale", "cut", "cpu", "out"), f"{command}: {word}"
            known = name != "scale" or (ROOT / f"pipelines/config/{value}.yaml").is_file()
            assert known, f"{command}: no configuration of {value}"


def _sbatch(words: Sequence[str], command: Command) -> None:
    script = ROOT / words[0]
    text = script.read_text("utf-8")
    for name, _ in command.variables:
        assert f"${name}" in text or f"${{{name}" in text, f"{command}: {name} is not read"


def _ci(words: Sequence[str], command: Command) -> None:
    assert (ROOT / words[0]).is_file(), str(command)


def _in_ci(program: str) -> Callable[[Sequence[str], Command], None]:
    """A tool of others, which .ci/run calls with the same verb."""

    def reader(words: Sequence[str], command: Command) -> None:
        called = " ".join([program, *words[:1]])
        assert called in (ROOT / ".ci" / "run").read_text("utf-8"), f"{command}: not in .ci/run"

    return reader


def _lmms(words: Sequence[str], command: Command) -> None:
    """lmms-eval, in an environment of its own, which finds our model by an entry point."""
    assert words[:2] == ["-m", "lmms_eval"], str(command)
    name = words[words.index("--model") + 1]
    projects = [path.read_text("utf-8") for path in (ROOT / "packages").glob("*/pyproject.toml")]
    assert any(f"\n{name} = " in text for text in projects), f"{command}: no entry point {name}"


def _ray(words: Sequence[str], command: Command) -> None:
    assert words[0] == "start", str(command)
    assert words[1].split("=")[0] in ("--head", "--address"), f"{command}: {words[1]}"


def _elsewhere(words: Sequence[str], command: Command) -> None:
    """A program of the reader's own machine."""
    assert words, str(command)


READERS: dict[str, Callable[[Sequence[str], Command], None]] = {
    "./lmms/bin/python": _lmms,
    "bash": _ci,
    "datagen": _ours("datagen"),
    "pip": _pip,
    "pyright": _in_ci("pyright"),
    "pytest": _pytest,
    "python": _python,
    "ray": _ray,
    "ruff": _in_ci("ruff"),
    "sbatch": _sbatch,
    "snakemake": _snakemake,
    "ssh": _elsewhere,
    "torchrun": _torchrun,
    "uv": _uv,
    "vargpt": _ours("vargpt"),
    "vargpt-eval": _ours("vargpt-eval"),
}
