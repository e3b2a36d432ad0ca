"""Every command of `vargpt-eval` is documented, shows an example, and runs without torch."""

from pathlib import Path

import pytest

from tests.eval.command import refusal, vargpt_eval
from vargpt_eval.cli import app
from vargpt_eval.cli_stats import stats

COMMANDS = [
    *(
        ["run"],
        ["gen-metrics"],
        ["doctor"],
        ["ablations"],
        ["beside"],
        ["score"],
        ["report"],
        ["compare"],
        ["world"],
    ),
    *(["stats", "make"], ["stats", "show"]),
]
DOCS = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")


def test_the_commands_are_those_that_work():
    found = [
        [*group, command.name or getattr(command.callback, "__name__", "")]
        for group, commands in (
            ([], app.registered_commands),
            (["stats"], stats.registered_commands),
        )
        for command in commands
    ]
    assert sorted(found) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_is_documented_and_shows_an_example(command):
    assert f"`vargpt-eval {' '.join(command)} " in DOCS
    ran = vargpt_eval(*command, "--help")
    assert ran.returncode == 0, ran.stderr
    assert f"Example: vargpt-eval {' '.join(command)} " in " ".join(ran.stdout.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("score", "absent.jsonl", "--task", "gqa", "--out", "run"),
        ("report", "absent", "--out", "report"),
        ("compare", "absent", "absent too"),
        ("stats", "show", "absent.npz"),
        ("stats", "make", "absent.npy", "--extractor", "x", "--out", "ref.npz"),
        ("world", "--generations", "absent", "--prompts", "absent", "--out", "run"),
    ],
)
def test_absent_input_is_one_line_and_exit_code_2(arguments, tmp_path):
    words = [tmp_path / word if "absent" in word or word == "run" else word for word in arguments]
    assert "absent" in refusal(*words)


def test_every_task_and_profile_is_documented():
    from vargpt_eval.scoring.profile import PROFILES
    from vargpt_eval.scoring.task import TASKS

    for name in (*TASKS, *PROFILES):
        assert f"`{name}`" in DOCS
