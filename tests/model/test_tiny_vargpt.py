"""The three stages in a row teach to draw when asked; the tiny benchmark's figures count right."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.model.vargpt.conftest import small_config, small_model
from tests.model.world_pictures import save_pictures
from vargpt_model.stages import Stage
from vargpt_schema import INSTRUCT, InstructRecord, Message
from vargpt_schema.instruct import sample_id_of
from vargpt_schema.world import SPLITS, Scene, WorldObject, caption_at

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RED_CIRCLE = Scene("white", (WorldObject("circle", "red", "small", "centre"),))
RED_SQUARE = Scene("white", (WorldObject("square", "red", "small", "centre"),))
BLUE_MOON = Scene("navy", (WorldObject("moon", "blue", "large", "top left"),))
NUM_SCENES = 48


def benchmark(name: str) -> ModuleType:
    """A program of benchmarks/, imported."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="module")
def scores() -> ModuleType:
    return benchmark("tiny_vargpt_scores")


def test_a_drawing_is_right_in_what_it_shows_and_wrong_in_all_when_there_is_none(scores):
    pairs = [
        scores.Pair(RED_CIRCLE, RED_CIRCLE),
        scores.Pair(RED_CIRCLE, RED_SQUARE),
        scores.Pair(BLUE_MOON, None),
    ]
    figures = scores.drawing_figures(pairs)
    assert figures["colour"] == [True, True, False]
    assert figures["shape"] == [True, False, False]
    assert figures["colour and shape"] == [True, False, False]
    assert figures["background"] == [True, True, False]
    assert figures["everything"] == [True, False, False]


def test_shuffling_gives_every_drawing_to_another_prompt(scores):
    pairs = [scores.Pair(scene, scene) for scene in (RED_CIRCLE, RED_SQUARE, BLUE_MOON)]
    mixed = scores.shuffled(pairs)
    assert {pair.expected for pair in mixed} == {RED_CIRCLE, RED_SQUARE, BLUE_MOON}
    assert {pair.seen for pair in mixed} == {RED_CIRCLE, RED_SQUARE, BLUE_MOON}
    assert all(pair.expected != pair.seen for pair in mixed)


def test_the_best_constants_are_the_most_frequent_ones(scores):
    pairs = [scores.Pair(scene, None) for scene in (RED_CIRCLE, RED_SQUARE, BLUE_MOON)]
    assert scores.best_constant_drawing(pairs, ["colour"]) == pytest.approx(2 / 3)
    assert scores.best_constant_drawing(pairs, ["colour", "shape"]) == pytest.approx(1 / 3)
    answers = [
        scores.Answered("colour", "red", True),
        scores.Answered("colour", "red", False),
        scores.Answered("colour", "blue", False),
        scores.Answered("size", "small", False),
    ]
    assert scores.best_constant_answer(answers) == 0.75
    assert scores.chance_answer(answers) == pytest.approx((3 * 1 / 2 + 1) / 4)


def record(task: str, question: str, answer: str, image: str) -> InstructRecord:
    messages = (Message("user", question), Message("assistant", answer))
    fields = dict.fromkeys(InstructRecord.__dataclass_fields__)
    return InstructRecord(
        **{
            **fields,
            "sample_id": sample_id_of("world", None, [image], messages),
            "messages": messages,
            "images": (image,),
            "task": task,
            "source": "world",
            "method": "template",
            "shot_ids": (),
        }
    )


def opened_share(folder: Path) -> float:
    """Of requests about scenes that were not trained on."""
    from vargpt_model.generation import GenerationOptions, ImagePart, answer
    from vargpt_model.weights.model_folder import open_model

    opened = open_model(folder, device="cpu")
    indices = SPLITS["validation"][:16]
    replies = answer(
        opened.model,
        opened.processor,
        [[Message("user", f"Please draw {caption_at(index)}.")] for index in indices],
        seeds=range(16),
        options=GenerationOptions(max_part_tokens=12, max_images=1),
    )
    drew = [any(isinstance(part, ImagePart) for part in reply.parts) for reply in replies]
    return sum(drew) / len(drew)


@pytest.mark.slow
def test_three_stages_teach_to_open_an_image_when_asked_and_its_loss_falls(tmp_path):
    from vargpt_model.processor import VargptProcessor, world_tokenizer
    from vargpt_model.row_source import Source
    from vargpt_model.stage_training import DataPaths, stage_training, train_stage

    model = tmp_path / "model"
    small_model(guidance_null="learned").save_pretrained(model)
    VargptProcessor.of(small_config(), world_tokenizer(small_config())).save_pretrained(model)
    names = save_pictures(tmp_path / "images", NUM_SCENES, size_px=24)
    rows = []
    for index, name in enumerate(names):
        rows.append(
            record(
                "generation", f"Please draw {caption_at(index)}.", "Here it is.<image_gen>", name
            )
        )
        rows.append(record("understanding", "<image>\nis there a shape?", "yes", name))
    INSTRUCT.write(rows, tmp_path / "rows" / "rows.parquet")
    data = DataPaths([Source(tmp_path / "rows", 1.0)], tmp_path / "images", None)
    before = opened_share(model)
    losses = {}
    num_steps: dict[Stage, int] = {"1": 15, "2": 60, "3": 60}
    for stage, steps in num_steps.items():
        out = tmp_path / f"stage-{stage}"
        train_stage(
            stage,
            model,
            data,
            out,
            stage_training(
                stage,
                max_steps=steps,
                batch_size=16,
                peak_lr=5e-3,
                code_loss="per_scale",
                view="whole",
                image_loss_weight=1.0,
                log_every=5,
            ),
        )
        lines = (out / "metrics.jsonl").read_text("utf-8").splitlines()
        losses[stage] = [json.loads(line)["image_loss"] for line in lines]
        model = out
    assert before < 0.5
    assert opened_share(model) >= 0.9
    assert losses["1"][-1] < losses["1"][0]
    assert losses["2"][-1] < losses["1"][-1]
    assert losses["3"][-1] < losses["2"][-1] - 0.02


def test_minutes_of_training_count_what_stage_3_began_with_and_its_share(scores, tmp_path):
    for name, seconds in (
        *((".image-tokenizer", "60.0 0.0"), (".base", "30.0 30.0\n50.0 10.0")),
        *((".stage1", "60 0"), (".stage2", "600 0"), (".stage3", "1200 0")),
        *(("ablations/.stage3", "99 0"), ("scores-stage3/.read-validation", "6 0")),
    ):
        path = tmp_path / f"{name}.cpu_seconds"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{seconds}\n")
    found = scores.cpu_seconds(tmp_path)
    assert found["base"] == 120.0
    assert scores.cost_table(found)[-2] == "| together | 2,046 (34.1 minutes) |"
    assert scores.training_minutes(found, 0.5) == "24.0"
    assert scores.training_minutes({"base": 120.0}, 0.5) == "-"
