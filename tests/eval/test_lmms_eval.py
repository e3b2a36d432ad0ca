"""lmms-eval's own evaluator drives VARGPT by the plug-in, offline.

Opt in with `pytest -m lmms`: its environment, apart from the project's, comes from the package
registries (several GB in uv's cache the first time).
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.eval.hub_layout import IMAGE, drawn_world
from vargpt_eval.benchmark.run import run_benchmarks
from vargpt_eval.scoring.task import TASKS
from vargpt_schema import ANSWERS

pytestmark = pytest.mark.lmms

ROOT = Path(__file__).parents[2]
LMMS_EVAL = "lmms-eval==0.7.3"
LIMIT_S = 540.0
TASK = """
task: drawn_scenes
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {rows}
test_split: test
output_type: generate_until
doc_to_visual: !function scene_rows.images
doc_to_text: !function scene_rows.text
doc_to_target: answer
generation_kwargs:
  max_new_tokens: {max_new_tokens}
  temperature: 0
  do_sample: {do_sample}
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
    ignore_case: true
    ignore_punctuation: true
metadata:
  - version: 0.0
"""
SCENE_ROWS = """
import io

from PIL import Image


def images(doc):
    return [Image.open(io.BytesIO(one["bytes"])) for one in doc["images"]]


def text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]
"""


class Scored(NamedTuple):
    """What lmms-eval wrote."""

    exact_match: float
    answers: list[str]  # in the order of the rows


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Python of a new environment with lmms-eval and our packages, as the docs install it."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not on PATH, so no environment for lmms-eval can be made")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = tmp_path_factory.mktemp("lmms") / "env"
    packages = [word for name in ("schema", "model", "eval") for word in ("-e", f"packages/{name}")]
    newest = ("--exclude-newer", settings["exclude-newer"])
    for words in (
        ("venv", "--quiet", "--python", version, str(folder)),
        ("pip", "install", "--quiet", "--python", str(folder), *newest, LMMS_EVAL, *packages),
    ):
        made = subprocess.run([uv, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            reason = " ".join(made.stderr.split())[-300:]
            pytest.skip(f"no environment for lmms-eval can be made: {reason}")
    return str(folder / "bin/python")


@pytest.fixture(scope="module")
def vargpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights that give another answer to another picture."""
    from tests.model.vargpt.conftest import small_model
    from vargpt_model.processor import VargptProcessor, world_tokenizer

    folder = tmp_path_factory.mktemp("vargpt")
    model = small_model()
    model.save_pretrained(folder)
    VargptProcessor.of(model.config, world_tokenizer(model.config)).save_pretrained(folder)
    return folder


def task(
    folder: Path, rows: list[dict[str, Any]], max_new_tokens: int, do_sample: str = "false"
) -> None:
    """A task that lmms-eval reads from files of this folder alone."""
    folder.mkdir()
    schema = pa.schema(
        [("question", pa.string()), ("answer", pa.string()), ("images", pa.list_(IMAGE))]
    )
    path = folder / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    text = TASK.format(rows=path, max_new_tokens=max_new_tokens, do_sample=do_sample)
    (folder / "drawn_scenes.yaml").write_text(text)
    (folder / "scene_rows.py").write_text(SCENE_ROWS)


def lmms_eval(
    python: str, model: Path, folder: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    environment = {
        **os.environ,
        **dict.fromkeys(proxies, "http://127.0.0.1:9"),  # what asks the network fails
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HOME": str(folder / "hf"),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    return subprocess.run(
        [
            *(python, *words, "-m", "lmms_eval", "--model", "vargpt"),
            *("--model_args", f"pretrained={model}", "--tasks", "drawn_scenes"),
            *("--include_path", str(folder), "--batch_size", "3", "--log_samples"),
            *("--output_path", str(folder / "out")),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )


def scored(folder: Path) -> Scored:
    [results] = folder.glob("out/**/*_results.json")
    [samples] = folder.glob("out/**/*_samples_drawn_scenes.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    lines.sort(key=lambda line: line["doc_id"])
    metrics = json.loads(results.read_text())["results"]["drawn_scenes"]
    return Scored(metrics["exact_match,none"], [one["filtered_resps"] for one in lines])


@pytest.fixture(scope="module")
def own(vargpt: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """A folder of two drawn scenes, and the answers of our own runner to their questions."""
    folder = tmp_path_factory.mktemp("own")
    data = drawn_world(folder / "data", [2_000_000, 2_000_001])
    run_benchmarks(vargpt, ["world_questions"], data, folder / "run")
    return data / "world", list(ANSWERS.records(folder / "run/answers/world_questions.parquet"))


def rows_of(data: Path, answers: list[Any]) -> list[dict[str, Any]]:
    """The same questions and pictures; every second answer is what our runner was told."""
    return [
        {
            "question": one.prompt,
            "answer": one.raw_response.strip() if place % 2 else "nobody says this",
            "images": [{"bytes": (data / name).read_bytes(), "path": name} for name in one.images],
        }
        for place, one in enumerate(answers)
    ]


def max_new_tokens() -> int:
    from vargpt_eval.benchmark.manifest import benchmark_named

    return benchmark_named("world_questions").max_new_tokens_of("lmms-eval-0.7.3")


def test_lmms_eval_gets_the_answers_of_our_own_runner_and_scores_them(
    python, vargpt, own, tmp_path
):
    data, answers = own
    assert len({one.raw_response for one in answers}) > 1  # they depend on what is asked
    task(tmp_path / "task", rows_of(data, answers), max_new_tokens())
    ran = lmms_eval(python, vargpt, tmp_path / "task")
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = scored(tmp_path / "task")
    assert found.answers == [one.raw_response.strip() for one in answers]
    assert found.exact_match == pytest.approx((len(answers) // 2) / len(answers))


def test_two_processes_share_the_questions(python, vargpt, own, tmp_path):
    data, answers = own
    task(tmp_path / "task", rows_of(data, answers[:5]), max_new_tokens())
    launcher = ("-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2")
    ran = lmms_eval(python, vargpt, tmp_path / "task", *launcher)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = scored(tmp_path / "task")
    assert found.answers == [one.raw_response.strip() for one in answers[:5]]
    assert found.exact_match == pytest.approx(2 / 5)


def test_several_images_stand_where_the_question_has_them(python, vargpt, tmp_path):
    from PIL import Image

    pictures = []
    for colour in ((220, 20, 20), (20, 20, 220)):
        data = io.BytesIO()
        Image.new("RGB", (24, 24), colour).save(data, format="PNG")
        pictures.append({"bytes": data.getvalue(), "path": "1.png"})
    rows = [
        {"question": question, "answer": "x", "images": images}
        for question, images in (
            ("<image> or <image>?", pictures),
            ("<image> or <image>?", pictures[::-1]),
            ("Which?", []),
        )
    ]
    task(tmp_path / "task", rows, 8)
    ran = lmms_eval(python, vargpt, tmp_path / "task")
    assert ran.returncode == 0, ran.stderr[-3000:]
    answers = scored(tmp_path / "task").answers
    assert answers == [answered(vargpt, row) for row in rows]
    assert answers[0] != answers[1]


def answered(model: Path, row: dict[str, Any]) -> str:
    import torch

    from vargpt_eval.answering.opening import open_answerer
    from vargpt_eval.lmms.request import asked_of
    from vargpt_model.preprocessing import open_image

    images = [open_image(one["bytes"], one["path"]) for one in row["images"]]
    answerer = open_answerer(model, dtype=None, device=torch.device("cpu"))
    return answerer.answers([asked_of(row["question"], images, "x")], 8)[0].text.strip()


def test_a_task_that_samples_is_refused_with_what_to_add(python, vargpt, own, tmp_path):
    data, answers = own
    task(tmp_path / "task", rows_of(data, answers[:1]), 4, do_sample="true")
    yaml = tmp_path / "task/drawn_scenes.yaml"
    yaml.write_text(yaml.read_text().replace("temperature: 0", "temperature: 0.5"))
    ran = lmms_eval(python, vargpt, tmp_path / "task")
    assert "drawn_scenes, item 0: " in ran.stderr + ran.stdout
    assert "Add --gen_kwargs temperature=0" in ran.stderr + ran.stdout
    assert not list((tmp_path / "task").glob("out/**/*_results.json"))


def test_our_scores_of_random_answers_are_those_of_lmms_eval(python, tmp_path):
    cases = tmp_path / "cases.jsonl"
    script = ROOT / "tests/eval/lmms_scores.py"
    words = [python, str(script), "0", "2000", str(cases)]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert ran.returncode == 0, ran.stderr[-3000:]
    scores: dict[str, set[float]] = {}
    for line in cases.read_text("utf-8").splitlines():
        case = json.loads(line)
        task = TASKS[case["task"]]
        item = task.item(case["row"], "7")
        found = task.score(case["response"], item, "lmms-eval-0.7.3")
        if case["score"] is None:
            assert found.is_fallback, case
        else:
            assert found.score == pytest.approx(case["score"]), case
            scores.setdefault(task.name, set()).add(round(found.score, 3))
    assert len(scores) == 9
    assert all({0.0, 1.0} <= held for held in scores.values())  # both right and wrong ones
