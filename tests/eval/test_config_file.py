"""`vargpt-eval --config FILE`: required options may stand in the file."""

import subprocess
import sys
from pathlib import Path

START = "from vargpt_eval.cli import main; main()"


def vargpt_eval(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *words], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_required_options_are_taken_from_the_file(tmp_path: Path):
    (tmp_path / "c.toml").write_text('generations = "no"\nprompts = "no"\nout = "run"\n')
    ran = vargpt_eval("world", "--config", "c.toml", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: ")
    assert "no" in ran.stderr
    assert "Missing option" not in ran.stderr


def test_an_unknown_name_is_refused(tmp_path: Path):
    (tmp_path / "c.toml").write_text("size = 3\n")
    ran = vargpt_eval("world", "--config", "c.toml", cwd=tmp_path)
    assert ran.returncode == 2
    assert "option 'size' found, one of generations, out, prompts was expected" in ran.stderr
