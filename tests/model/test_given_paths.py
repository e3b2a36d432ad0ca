"""A wrong path on a command line is one line, before torch and transformers are imported."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# Runs commands one after the other in a process that refuses to import what is slow to import.
PROGRAM = """
import contextlib, io, json, sys

class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            raise ImportError(f"{name} was imported")

sys.meta_path.insert(0, Refused())
from vargpt_model.cli import main

said = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["vargpt", *words]
    with contextlib.redirect_stderr(io.StringIO()) as error:
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code
        except ImportError as fault:
            code = str(fault)
    said.append([code, error.getvalue()])
print(json.dumps(said))
"""
NO_MODEL = "nope/config.json: cannot be read ([Errno 2] No such file or directory"
STAGE = ["train", "1", "--out", "made"]
BASE = ["train", "base", "--out", "made"]
PICTURES = ["train", "image-tokenizer", "--out", "made"]
PARTS = ["init", "--out", "made"]
CASES = [
    (["generate", "--model", "nope", "--prompts", "Draw.", "--out", "made"], NO_MODEL),
    (
        ["generate", "--model", "model", "--prompts", "nope.jsonl", "--out", "made"],
        "nope.jsonl: no such file found, a file of prompts was expected",
    ),
    (["chat", "--model", "nope"], NO_MODEL),
    (["demo", "--model", "nope"], NO_MODEL),
    (["inspect", "--model", "nope"], NO_MODEL),
    (["inspect", "--model", "llava"], "llava/config.json: architecture 'llava' found, 'vargpt_"),
    ([*STAGE, "--model", "nope", "--data", "rows"], NO_MODEL),
    (
        [*STAGE, "--model", "model", "--data", "nope:2"],
        "nope: no Parquet file found, a table `instruct`",
    ),
    (
        [*STAGE, "--model", "model", "--data", "rows", "--image-root", "nope"],
        "--image-root nope: no such file or folder found, the folder that holds the images was",
    ),
    (
        [*STAGE, "--model", "model", "--data", "rows", "--codes", "nope"],
        "nope: no Parquet file found, a table `image_codes` was expected",
    ),
    ([*BASE, "--model", "nope", "--data", "rows", "--image-root", "rows"], NO_MODEL),
    (
        [*BASE, "--model", "model", "--data", "nope", "--image-root", "rows"],
        "nope: no Parquet file found, a table `captions` was expected",
    ),
    (
        [*PICTURES, "--image-root", "nope"],
        "--image-root nope: no such file or folder found, the folder that holds the images was",
    ),
    (
        [*PICTURES, "--image-root", "rows", "--data", "nope"],
        "--data nope: no such file or folder found, a `captions` or `instruct` table was expected",
    ),
    (
        ["encode", "--model", "nope", "--images", "rows", "--out", "made"],
        "--model nope: no such file or folder found, an image tokenizer was expected",
    ),
    (
        ["encode", "--model", "model", "--images", "nope", "--out", "made"],
        "--images nope: no such file or folder found, a folder of images was expected",
    ),
    (
        [*PARTS, "--preset", "tiny", "--image-tokenizer", "nope"],
        "--image-tokenizer nope: no such file or folder found, a folder of `vargpt train` was",
    ),
    (
        [*PARTS, "--llava", "llava", "--var", "nope", "--vae", "nope"],
        "--var nope: no such file or folder found, var_d30.pth was expected",
    ),
    ([*PARTS, "--vargpt", "nope"], "--vargpt nope: no such file or folder found, the folder of a"),
]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, str]]]:
    folder = tmp_path_factory.mktemp("paths")
    for name, kind in (("model", "vargpt_llava"), ("llava", "llava")):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps({"model_type": kind}))
    (folder / "rows").mkdir()
    (folder / "rows" / "rows.parquet").touch()
    words = json.dumps([words for words, _ in CASES])
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return folder, json.loads(ran.stdout)


@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda n: " ".join(CASES[n][0])[:60])
def test_a_wrong_path_is_refused_before_anything_slow_is_imported(said, case):
    code, error = said[1][case]
    assert code == 2, (code, error)
    assert error.startswith(f"error: {CASES[case][1]}")
    assert len(error.splitlines()) == 1


def test_a_refused_command_makes_no_folder(said):
    assert not (said[0] / "made").exists()
