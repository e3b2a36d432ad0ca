"""Real models answer: a tiny LLaVA and a tiny VARGPT, through the code that loads the large."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.eval.hub_layout import drawn_world, gqa, png, scienceqa
from tests.eval.tiny_llava import save_tiny_llava
from vargpt_eval.answering.answerer import Asked
from vargpt_eval.benchmark.run import run_benchmarks
from vargpt_schema import ANSWERS, UserError

PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def llava(tmp_path_factory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def answerer(llava):
    import torch

    from vargpt_eval.answering.opening import open_answerer

    return open_answerer(llava, dtype=None, device=torch.device("cpu"))


def question(prompt: str, *colours: tuple[int, int, int]) -> Asked:
    from vargpt_model.preprocessing import open_image

    return Asked(prompt, tuple(open_image(png(colour)) for colour in colours))


RED, BLUE = (220, 20, 20), (20, 20, 220)


def test_llava_is_asked_in_the_form_that_the_authors_ran(answerer):
    assert answerer._text(question("What?", RED)) == (
        "A chat between a curious user and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the user's questions. USER: <image>\n"
        "What? ASSISTANT:"
    )
    assert "USER: <image> <image>\nBoth? ASSISTANT:" in answerer._text(question("Both?", RED, BLUE))


def test_another_model_is_asked_in_its_own_form(answerer):
    from vargpt_eval.answering.image_text import ImageTextAnswerer

    own = ImageTextAnswerer(answerer._model, answerer._processor, "processor")
    assert own._text(question("What?", RED)) == "USER: <image>\nWhat? ASSISTANT:"


def test_special_tokens_in_a_question_stay_text(answerer):
    asked = question("Is </s> or <image> seen?", RED)
    assert "USER: <image>\nIs < /s> or < image> seen? ASSISTANT:" in answerer._text(asked)
    assert len(answerer.answers([asked], 2)) == 1


def test_answers_depend_on_the_picture_and_not_on_their_batch(answerer):
    asked = [question("What?", RED), question("A longer question?", BLUE), question("What?", BLUE)]
    together = answerer.answers(asked, 8)
    assert together == [answerer.answers([one], 8)[0] for one in asked]
    assert together[0].text != together[2].text


def test_a_limit_that_is_reached_is_a_cut_off_answer(answerer):
    answer = answerer.answers([question("What?", RED)], 3)[0]
    assert (answer.finish_reason, answer.num_tokens) == ("length", 3)


def test_an_end_token_ends_the_answer(answerer):
    found = answerer.answers([question("What?", RED)], 3)[0]
    first = answerer._tokenizer(found.text[:1], add_special_tokens=False).input_ids[0]
    ends = answerer._model.generation_config
    before, ends.eos_token_id = ends.eos_token_id, [2, first]
    try:
        answer = answerer.answers([question("What?", RED)], 3)[0]
    finally:
        ends.eos_token_id = before
    assert (answer.text, answer.finish_reason, answer.num_tokens) == ("", "stop", 0)


def test_a_downloaded_llava_answers_a_benchmark(llava, tmp_path):
    scienceqa(tmp_path / "data")
    done = run_benchmarks(llava, ["scienceqa_img"], tmp_path / "data", tmp_path / "run")[0]
    assert (done.num_answers, done.num_errors) == (2, 0)


def test_a_vargpt_answers_questions_about_drawn_scenes(tmp_path):
    from tests.model.vargpt.conftest import small_model
    from vargpt_model.processor import VargptProcessor, world_tokenizer

    model = small_model()
    model.save_pretrained(tmp_path / "vargpt")
    VargptProcessor.of(model.config, world_tokenizer(model.config)).save_pretrained(
        tmp_path / "vargpt"
    )
    drawn_world(tmp_path / "data", [2_000_000])
    done = run_benchmarks(
        tmp_path / "vargpt", ["world_questions"], tmp_path / "data", tmp_path / "run", batch_size=4
    )[0]
    assert done.num_answers >= 7
    assert done.num_errors == 0
    assert done.score is not None
    assert done.score.figures["wanted_image"]["n"] == done.num_answers


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no architecture found"),
        ('{"model_type": "no-such-model"}', "cannot be loaded"),
        ('{"model_type": "bert"}', "cannot be loaded"),
    ],
)
def test_a_folder_that_holds_no_such_model_is_refused(content, expected, tmp_path):
    gqa(tmp_path / "data")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"")
    if content:
        (folder / "config.json").write_text(content)
    with pytest.raises(UserError, match=expected):
        run_benchmarks(folder, ["gqa"], tmp_path / "data", tmp_path / "run")


def test_a_llava_that_lacks_a_weight_is_refused_instead_of_drawn_at_random(llava, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    from vargpt_eval.answering.opening import open_answerer

    folder = tmp_path / "llava"
    shutil.copytree(llava, folder)
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in sorted(tensors) if "projector" in name)
    del tensors[name]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"1 weight of 'llava' missing, the first .*projector"):
        open_answerer(folder, dtype=None, device=torch.device("cpu"))


def command(*launcher: str, model: Path, data: Path, out: Path) -> list[str]:
    words = ["--model", model, "--tasks", "gqa", "--data", data, "--out", out]
    return [sys.executable, *launcher, "-m", "vargpt_eval", "run", *map(str, words)]


def lines(journal: Path) -> list[bytes]:
    return journal.read_bytes().splitlines(keepends=True) if journal.exists() else []


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_behind_its_last_answer(llava, tmp_path):
    gqa(tmp_path / "data", 60)
    words = command(model=llava, data=tmp_path / "data", out=tmp_path / "run")
    journal = tmp_path / "run/.work/gqa/rank-00000.jsonl"
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + PATIENCE_S
    while len(lines(journal)) < 5:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = lines(journal)
    assert 5 <= len(before) < 60
    with journal.open("ab") as file:
        file.write(b'{"sample_id": "torn')  # as a kill within a write leaves it
    whole = [line for line in before if line.endswith(b"\n")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    after = lines(journal)
    assert after[: len(whole)] == whole
    ids = [json.loads(line)["sample_id"] for line in after]
    assert sorted(ids) == sorted(f"20{number}" for number in range(60))
    stored = list(ANSWERS.records(tmp_path / "run/answers/gqa.parquet"))
    assert [one.sample_id for one in stored] == [f"20{number}" for number in range(60)]
    assert "1 benchmark, 60 answers" in done.stdout


@pytest.mark.slow
def test_two_processes_take_turns_and_give_the_answers_of_one(llava, tmp_path):
    gqa(tmp_path / "data", 7)
    one = command(model=llava, data=tmp_path / "data", out=tmp_path / "one")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    both = command(*launcher, model=llava, data=tmp_path / "data", out=tmp_path / "both")
    for words in (one, both):
        ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        assert ran.returncode == 0, ran.stderr
    journals = sorted((tmp_path / "both/.work/gqa").glob("rank-*.jsonl"))
    assert [len(lines(journal)) for journal in journals] == [4, 3]
    tables = [ANSWERS.read(tmp_path / run / "answers/gqa.parquet") for run in ("one", "both")]
    assert tables[0].equals(tables[1])
