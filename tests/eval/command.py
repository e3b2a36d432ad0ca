"""Runs `vargpt-eval` as its users do, in a process where torch cannot be imported."""

import subprocess
import sys

import pytest
import typer

from vargpt_eval.cli import main

_CODE = (
    "import sys; sys.modules['torch'] = None; sys.argv[0] = 'vargpt-eval';"
    "from vargpt_eval.cli import main; main()"
)


def vargpt_eval(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _CODE, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def refusal(*arguments: object) -> str:
    """The one line that a user's mistake gives; fails unless the exit code is 2."""
    ran = vargpt_eval(*arguments)
    assert ran.returncode == 2, (ran.stdout, ran.stderr)
    lines = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, ran.stderr
    return lines[0]


def refusal_here(*arguments: object) -> str:
    """As `refusal`, in this process: for rules of which there are many."""
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vargpt-eval", *map(str, arguments)])
        patch.setattr(typer, "echo", lambda text, **_: lines.append(text))
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 2, lines
    refused = [line for line in lines if line.startswith("error: ")]
    assert len(refused) == 1, lines
    assert "\n" not in refused[0]
    return refused[0]
