"""Every command of the pages is typed in order in an empty folder, at small size, and succeeds."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.datagen.llm_server import running_server
from tests.docs.page_commands import PAGES, ROOT, Command, commands_of, inside_uv_run
from tests.docs.walks import NOT_RUN, WALKS, Walk

PATIENCE_S = 900.0
COMMANDS = [command for page in PAGES for command in commands_of(page)]


def commands_on(walk: Walk) -> list[Command]:
    return [
        command
        for command in COMMANDS
        if command.page == walk.page and (not walk.headings or command.heading in walk.headings)
    ]


def plain(command: Command) -> str:
    return shlex.join(inside_uv_run(command.words))


def is_run(command: Command) -> bool:
    return not any(re.search(pattern, plain(command)) for pattern in NOT_RUN)


def typed(command: Command, walk: Walk, folder: Path, port: int) -> list[str]:
    text = plain(command)
    for pattern, smaller in walk.smaller.items():
        text = re.sub(pattern, smaller.replace("{port}", str(port)), text)
    return [re.sub("^~", str(folder), word) for word in shlex.split(text)]


def job(words: list[str], walk: Walk, folder: Path, **variables: str) -> dict[str, Any]:
    return {
        "walk": walk.name,
        "folder": str(folder),
        "words": words,
        "variables": {**variables, "HOME": str(folder)},
    }


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_of_a_page_is_on_one_walk(command: Command):
    walks = [walk.name for walk in WALKS if command in commands_on(walk)]
    assert len(walks) == 1, (
        f"{command}: on the walks {walks}. walks.py says how a page is followed."
    )


def test_nothing_is_left_out_or_made_smaller_that_no_page_has():
    for pattern in NOT_RUN:
        assert any(re.search(pattern, plain(command)) for command in COMMANDS), pattern
    for walk in WALKS:
        texts = [plain(command) for command in commands_on(walk) if is_run(command)]
        for pattern in walk.smaller:
            assert any(re.search(pattern, text) for text in texts), f"{walk.name}: {pattern}"


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every walk printed; all are followed at once, by one process."""
    scratch = tmp_path_factory.mktemp("pages")
    logs = scratch / "logs"
    logs.mkdir()
    jobs = []
    with running_server("--latency-s", "0") as server:
        for walk in WALKS:
            commands = [command for command in commands_on(walk) if is_run(command)]
            folder = scratch / walk.name
            folder.mkdir()
            if walk.lying_ready:
                walk.lying_ready(folder)
            jobs += [job(shlex.split(text), walk, folder) for text in walk.made_before]
            jobs += [
                job(typed(each, walk, folder, server.port), walk, folder, **dict(each.variables))
                for each in commands
            ]
        (scratch / "jobs.json").write_text(json.dumps(jobs))
        subprocess.run(
            [sys.executable, ROOT / "tests" / "docs" / "follow.py", scratch / "jobs.json", logs],
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HOME": str(scratch / "hf")},
            timeout=PATIENCE_S,
        )
    return logs


@pytest.mark.slow
@pytest.mark.parametrize(
    "walk", [walk for walk in WALKS if any(map(is_run, commands_on(walk)))], ids=lambda w: w.name
)
def test_a_page_can_be_followed(walk: Walk, logs: Path):
    printed = (logs / f"{walk.name}.log").read_text("utf-8")
    failed = re.findall(r"^failed with .*", printed, re.MULTILINE)
    assert failed == [], printed[-1_500:]
    num_typed = len(re.findall(r"^\$ ", printed, re.MULTILINE))
    assert num_typed == len(walk.made_before) + sum(map(is_run, commands_on(walk)))
