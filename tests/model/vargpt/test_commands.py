"""The commands on a small model: real processes where it matters, functions elsewhere."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.model.vargpt.conftest import small_model
from vargpt_schema import EVAL_PROMPTS, GENERATIONS, EvalPromptRecord, UserError

START = "import sys; from vargpt_model.cli import main; main()"


def vargpt(*words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        input=stdin,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture
def here(monkeypatch, capsys):
    """The command in this process, which has torch already."""
    from vargpt_model.cli import main

    def run_here(*words: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["vargpt", *map(str, words)])
        try:
            main()
            code: object = 0
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return subprocess.CompletedProcess([], int(str(code or 0)), said.out, said.err)

    return run_here


@pytest.fixture(scope="module")
def folder(tmp_path_factory, processor) -> Path:
    """A small model on disk, as `vargpt init` leaves one."""
    path = tmp_path_factory.mktemp("model")
    small_model().save_pretrained(path)
    processor.save_pretrained(path)
    return path


def options(**changes: Any):
    from vargpt_model.generation import GenerationOptions

    return GenerationOptions(**{"min_images": 1, "max_images": 1, "max_part_tokens": 3, **changes})


def prompts(*texts: str):
    from vargpt_model.commands.prompts import Prompt

    return [Prompt(f"p{index}", text) for index, text in enumerate(texts)]


def run(folder: Path, out: Path, asked, **changes: Any):
    from vargpt_model.commands.generate_folder import generate_folder

    arguments = {"seed": 0, "options": options(), "batch_size": 2, "device": "cpu", **changes}
    return generate_folder(folder, asked, out, **arguments)


def test_help_of_every_command_has_an_example_and_needs_no_torch():
    for words in ([], ["init"], ["generate"], ["chat"], ["demo"], ["inspect"]):
        code = (
            "import sys; sys.modules['torch'] = None; sys.modules['transformers'] = None;" + START
        )
        ran = subprocess.run(
            [sys.executable, "-c", code, *words, "--help"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        assert "Usage" in ran.stdout
        assert not words or f"Example: vargpt {words[0]}" in ran.stdout


def test_a_random_tiny_model_talks_and_draws_twice_in_a_batch_of_four(tmp_path, here):
    made = vargpt("init", "--preset", "tiny", "--out", tmp_path / "model")
    assert made.returncode == 0, made.stderr
    assert made.stdout == f"257 tensors -> {tmp_path / 'model'}\n"
    again = here("init", "--preset", "tiny", "--out", tmp_path / "model")
    assert again.stdout == f"made before, nothing to do -> {tmp_path / 'model'}\n"
    other = here("init", "--preset", "tiny", "--seed", 1, "--out", tmp_path / "model")
    assert other.returncode == 2
    assert "seed: made with 0, now 1" in other.stderr
    (tmp_path / "prompts.txt").write_text("draw a red circle\nhi\n\na blue square, please\nx y z\n")
    ran = vargpt(
        *("generate", "--model", tmp_path / "model", "--prompts", tmp_path / "prompts.txt"),
        *("--out", tmp_path / "out", "--min-images", 2, "--max-images", 2),
        *("--max-part-tokens", 4, "--temperature", 1, "--batch-size", 4),
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"4 prompts, 8 images, 0 replies without one -> {tmp_path / 'out'}\n"
    assert "generate: 4/4 (100%)" in ran.stderr
    assert "ETA" in ran.stderr
    rows: dict[str, list[str]] = {}
    for row in GENERATIONS.records(tmp_path / "out"):
        rows.setdefault(row.prompt_id, []).append(row.kind)
        assert row.part_index == len(rows[row.prompt_id]) - 1
    assert list(rows) == ["000000", "000001", "000003", "000004"]
    assert all(kinds[:4] == ["text", "image", "text", "image"] for kinds in rows.values())


def test_generations_tell_what_made_them_and_pictures_are_as_listed(folder, tmp_path):
    import hashlib

    from PIL import Image

    from vargpt_model.drawing import DrawingConfig

    choice = options(drawing=DrawingConfig(guidance_scale=2.0, top_k=9, top_p=0.5))
    made = run(folder, tmp_path / "out", prompts("draw a cat", "and a dog"), options=choice)
    assert made == (2, 2, 0)
    rows = list(GENERATIONS.records(tmp_path / "out"))
    images = [row for row in rows if row.kind == "image"]
    assert [row.prompt_id for row in images] == ["p0", "p1"]
    for row in images:
        file = tmp_path / "out" / (row.image or "")
        assert hashlib.sha256(file.read_bytes()).hexdigest() == row.image_sha256
        assert Image.open(file).size == (12, 12)
        assert (row.guidance_scale, row.top_k, row.top_p, row.temperature) == (2.0, 9, 0.5, 1.0)
    assert len({row.seed for row in images}) == 2
    assert len({row.model_sha256 for row in rows}) == 1


def test_the_same_seed_gives_the_same_bytes_and_batches_do_not_matter(folder, tmp_path):
    asked = prompts("draw", "a longer request, please", "x")
    run(folder, tmp_path / "one", asked)
    run(folder, tmp_path / "two", asked)
    run(folder, tmp_path / "three", asked, batch_size=3)
    run(folder, tmp_path / "other", asked, seed=1)
    files = {
        name: {
            str(path.relative_to(tmp_path / name)): path.read_bytes()
            for path in sorted((tmp_path / name).rglob("*.p*"))
            if ".work" not in path.parts
        }
        for name in ("one", "two", "three", "other")
    }
    assert files["one"] == files["two"] == files["three"]
    assert files["one"].keys() == files["other"].keys()
    assert files["one"] != files["other"]


def test_a_finished_run_is_left_alone_and_a_changed_one_is_refused(folder, tmp_path):
    asked = prompts("draw", "x")
    run(folder, tmp_path, asked)
    table = next(tmp_path.glob("*.parquet"))
    written = table.stat().st_mtime_ns
    assert run(folder, tmp_path, asked) == (2, 2, 0)
    assert table.stat().st_mtime_ns == written
    with pytest.raises(UserError, match="seed: started with 0, now 3"):
        run(folder, tmp_path, asked, seed=3)
    with pytest.raises(UserError, match="prompts_sha256: started with"):
        run(folder, tmp_path, prompts("draw", "y"))


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_with_the_bytes_of_an_unbroken_one(folder, tmp_path):
    (tmp_path / "prompts.txt").write_text("".join(f"draw number {n}\n" for n in range(96)))
    words = [
        "generate",
        "--model",
        folder,
        "--prompts",
        tmp_path / "prompts.txt",
        "--device",
        "cpu",
    ]
    words += ["--batch-size", "32", "--min-images", "1", "--max-part-tokens", "12"]
    command = [sys.executable, "-c", START, *map(str, words), "--out", str(tmp_path / "killed")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = tmp_path / "killed" / "generations-00000-of-00002.parquet"
    deadline = time.monotonic() + 120
    while not first.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert first.exists()
    resumed = vargpt(*words, "--out", tmp_path / "killed")
    assert resumed.returncode == 0, resumed.stderr
    unbroken = vargpt(*words, "--out", tmp_path / "unbroken")
    assert unbroken.returncode == 0, unbroken.stderr
    for path in (tmp_path / "unbroken").rglob("*.p*"):
        if ".work" not in path.parts:
            twin = tmp_path / "killed" / path.relative_to(tmp_path / "unbroken")
            assert twin.read_bytes() == path.read_bytes(), path


def test_prompts_come_from_text_lines_jsonl_and_eval_prompts(tmp_path):
    from vargpt_model.commands.prompts import Prompt, read_prompts

    assert read_prompts("draw a cat") == [Prompt("000000", "draw a cat")]
    lines = tmp_path / "p.txt"
    lines.write_text("one\n\nthree\n")
    assert read_prompts(str(lines)) == [Prompt("000000", "one"), Prompt("000002", "three")]
    json_lines = tmp_path / "p.jsonl"
    json_lines.write_text(
        '{"prompt": "<image> why?", "images": ["a/b.png"]}\n{"prompt": "x", "prompt_id": "q"}\n'
    )
    assert read_prompts(str(json_lines)) == [
        Prompt("000000", "<image> why?", (tmp_path / "a" / "b.png",)),
        Prompt("q", "x"),
    ]
    row = EvalPromptRecord(
        prompt_id="e1",
        prompt="draw it",
        caption="it",
        image_id="i",
        split="val",
        label=None,
        wnid=None,
        source="s",
        prompt_template_id=None,
    )
    EVAL_PROMPTS.write([row], tmp_path / "e.parquet")
    assert read_prompts(str(tmp_path / "e.parquet")) == [Prompt("e1", "draw it")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.jsonl", "{", "p.jsonl, line 1: no prompt found"),
        ("p.jsonl", '{"text": 1}', "p.jsonl, line 1: no prompt found"),
        ("p.jsonl", '{"prompt": 1}', "must be text"),
        ("p.jsonl", '{"prompt": "x", "images": ["../a.png"]}', "paths below"),
        ("p.jsonl", '{"prompt": "x", "images": ["/a.png"]}', "paths below"),
        (
            "p.jsonl",
            '{"prompt": "x", "prompt_id": "a"}\n{"prompt": "y", "prompt_id": "a"}',
            "'a' found twice",
        ),
        ("p.txt", "\n\n", "no prompt found, at least one"),
    ],
)
def test_damaged_prompts_are_named(tmp_path, name, content, message):
    from vargpt_model.commands.prompts import read_prompts

    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        read_prompts(str(tmp_path / name))
    with pytest.raises(UserError, match="no such file found"):
        read_prompts(str(tmp_path / "absent.txt"))


def test_an_image_in_a_prompt_is_seen_and_its_lack_is_an_error(folder, tmp_path):
    from PIL import Image

    from vargpt_model.commands.prompts import Prompt

    Image.new("RGB", (20, 20), "red").save(tmp_path / "red.png")
    Image.new("RGB", (20, 20), "blue").save(tmp_path / "blue.png")
    asked = [
        Prompt(name, "<image> draw it", (tmp_path / f"{name}.png",)) for name in ("red", "blue")
    ]
    assert run(folder, tmp_path / "out", asked).num_images == 2
    with pytest.raises(UserError, match="1 <image> and 0 <image_gen> found, 0 images given"):
        run(folder, tmp_path / "lacks", prompts("<image> draw it"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["init", "--out", "x"], "no source found, exactly one of --preset"),
        (
            ["init", "--preset", "tiny", "--vargpt", "y", "--out", "x"],
            "--preset and --vargpt found",
        ),
        (["init", "--llava", "y", "--out", "x"], "--var and --vae missing"),
        (["init", "--vargpt", "absent", "--out", "x"], "--vargpt absent: no such file or folder"),
        (["inspect", "--model", "absent"], "absent/config.json: cannot be read"),
        (
            ["generate", "--model", "absent", "--prompts", "x", "--out", "y"],
            "absent/config.json: cannot be read",
        ),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, monkeypatch, here, words, message):
    monkeypatch.chdir(tmp_path)
    ran = here(*words)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: ")
    assert ran.stderr.count("\n") == 1
    assert message in ran.stderr


def test_chat_streams_keeps_its_history_and_saves_pictures(folder, tmp_path):
    from PIL import Image

    Image.new("RGB", (20, 20), "red").save(tmp_path / "red.png")
    words = ["chat", "--model", folder, "--out", tmp_path / "out", "--min-images", 1]
    words += ["--max-images", 1, "--max-part-tokens", 3, "--device", "cpu"]
    lines = (
        f"draw <image> </s>\n/image {tmp_path / 'red.png'}\nwhat?\n/image absent.png\n/x\n/quit\nno"
    )
    ran = vargpt(*words, stdin=lines)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith(f"2 turns, 2 images -> {tmp_path / 'out'}\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["000.png", "001.png"]
    assert "[drawing: 9 codes]" in ran.stderr
    assert "error: absent.png: no such file found" in ran.stderr
    assert "unknown command /x" in ran.stderr


def test_a_chat_that_fills_the_context_says_so_and_goes_on(folder, tmp_path):
    from vargpt_model.commands.chat import Chat
    from vargpt_model.weights import open_model

    written: list[str] = []
    notes: list[str] = []
    chat = Chat(
        open_model(folder, device="cpu"),
        tmp_path,
        seed=0,
        options=options(min_images=0, max_images=0),
        write=written.append,
        note=notes.append,
    )
    chat.run(["word " * 400, "/reset", "short"])
    assert any("the model's context has 256" in note for note in notes)
    assert chat.num_turns == 1
    assert len(chat.conversation.turns) == 1


def test_inspect_counts_the_parameters_of_the_paper():
    from vargpt_model.commands.inspection import report_lines
    from vargpt_model.vargpt import VargptConfig

    page = "\n".join(report_lines(VargptConfig()))
    for line in (
        "LLM (LLaMA)                    6,738,939,904",
        "visual decoder (VAR)           2,069,546,116",
        "all                            9,278,125,831",
        "1,424 tensors on disk",
        "1                                 36,204,288  generation projector, in, generation",
        "2                              6,759,919,616  understanding projector, LLM (LLaMA)",
        "weights, bfloat16, float16           18.8 GB",
    ):
        assert line in page


def test_options_may_stand_in_a_file(folder, tmp_path, here):
    (tmp_path / "c.toml").write_text(f'model = "{folder}"\n')
    ran = here("inspect", "--config", tmp_path / "c.toml")
    assert ran.returncode == 0, ran.stderr
    assert "LLM (LLaMA)" in ran.stdout
    (tmp_path / "c.toml").write_text("sizes = 3\n")
    ran = here("inspect", "--config", tmp_path / "c.toml")
    assert ran.returncode == 2
    assert "option 'sizes' found" in ran.stderr


def test_init_from_an_official_folder_of_another_size_is_one_line(tmp_path, here):
    from tests.model.vargpt.published_folders import published_model, write_official

    write_official(tmp_path / "official", published_model(guidance_null="noise"))
    ran = here("init", "--vargpt", tmp_path / "official", "--out", tmp_path / "out")
    # The command knows the published image tokenizer alone, and this one is smaller.
    assert ran.returncode == 2
    assert "no working configuration found (vocab_size: visual_decoder has 32" in ran.stderr
    assert "Traceback" not in ran.stderr
