"""A folder that cannot be made: each program says so in one line and exits with 2."""

import importlib
import shlex
import sys
from pathlib import Path

import pytest

WRITING = {
    "vargpt_datagen.cli": "datagen build-130k --rows 5 --out {out}",
    "vargpt_model.cli": "vargpt init --preset tiny --out {out}",
    "vargpt_eval.cli": "vargpt-eval score {answers} --task gqa --out {out}",
}
ANSWER = (
    '{"id": "1", "imageId": "n1", "question": "Is it overcast?", "answer": "no", '
    '"prediction": "No"}\n'
)


@pytest.mark.parametrize("module", WRITING)
def test_a_folder_below_a_file_is_one_line_and_exit_code_2(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file").touch()
    (tmp_path / "answers.jsonl").write_text(ANSWER)
    out = tmp_path / "file" / "out"
    words = WRITING[module].format(out=out, answers=tmp_path / "answers.jsonl")
    monkeypatch.setattr(sys, "argv", shlex.split(words))
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main()
    assert ended.value.code == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(said) == 1
    assert "file/out" in said[0]
    assert "Not a directory" in said[0]
    assert "run the same command" in said[0]
