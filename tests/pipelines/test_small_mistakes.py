"""What a user may get wrong with small.py: one line that says what to do, exit code 2."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Makes what lies in the way, then runs the script with each list of words, all in one process.
PROGRAM = """
import contextlib, io, json, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import packed_state
import small

config = small.read_config(is_cut=True)


def record(work, config, *done):
    Path(work).mkdir()
    text = json.dumps({"config": config, "done": done, "figures": {}})
    (Path(work) / "small.json").write_text(text)


record("other-work", {"seed": 1})
packed_state.save(Path("other-work"), ["small.json"], Path("other-state"))
(whole,) = packed_state.save(Path("other-work"), ["small.json"], Path("damaged-state"))
whole.write_bytes(whole.read_bytes()[:-1] + b"1")
record("emptied-work", config, "image-tokenizer", "base")
record("damaged-work", config)
Path("damaged-work/small.json").write_text('{"config": ')
Path("lost-state").mkdir()
Path("lost-state/state-003-0123456789abcdef-1-of-4.part").touch()
Path("file").touch()
said = []
for words in json.loads(sys.argv[2]):
    sys.argv = ["small.py", "--cut", *words]
    with contextlib.redirect_stderr(io.StringIO()) as error:
        try:
            code = small.main()
        except SystemExit as ended:
            code = ended.code
    said.append([code, error.getvalue()])
print(json.dumps(said))
"""


def words(work: str = "work", state: str = "state", out: str = "out", *more: str) -> list[str]:
    return ["--work", work, "--state", state, "--out", out, *more]


CASES = {
    "one folder for both": (
        words(state="work"),
        "--state work: a folder that is in --work work or holds it found, one apart from it was",
    ),
    "STATE in WORK": (
        words(state="work/state"),
        "--state work/state: a folder that is in --work work or holds it found",
    ),
    "OUT is STATE": (words(out="state"), "--out state: the folder of --state found, another was"),
    "OUT below a file": (words(out="file/out"), "file"),
    "STATE below a file": (words(state="file/state"), "file"),
    "--from nowhere": (
        words("work", "state", "out", "--from", "nowhere"),
        "--from nowhere: no state found, the --state of an earlier call was expected",
    ),
    "pieces lost": (
        words(state="lost-state"),
        "lost-state: 1 of 4 pieces of state 3 found, all expected. Copy the others there",
    ),
    "another byte": (
        words(state="damaged-state"),
        "damaged-state: pieces of state 1 with other bytes than were written found. Copy them",
    ),
    "another configuration": (
        words(work="new-work", state="other-state"),
        "new-work/small.json: a run of another configuration found, the one of",
    ),
    "a damaged record": (words(work="damaged-work"), "damaged-work/small.json: cannot be read ("),
    "a model gone": (
        words(work="emptied-work"),
        "emptied-work/base: not found, the model that small.json lists was expected. Remove",
    ),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    given = json.dumps([words for words, _ in CASES.values()])
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "pipelines"), given],
        cwd=tmp_path_factory.mktemp("mistakes"),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr[-3_000:]
    return dict(zip(CASES, json.loads(ran.stdout), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_line(said, case):
    code, error = said[case]
    assert code == 2, error
    assert error.startswith(f"error: {CASES[case][1]}"), error
    assert len(error.splitlines()) == 1


def test_without_its_modules_the_script_says_how_python_finds_them(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-S", str(ROOT / "pipelines" / "small.py"), *words()],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: no module yaml found, ")
    assert "export PYTHONPATH=$(echo packages/*/src | tr ' ' ':')" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
