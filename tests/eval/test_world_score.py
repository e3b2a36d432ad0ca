import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from vargpt_datagen.world import draw
from vargpt_eval.world import score_world
from vargpt_schema import (
    EVAL_PROMPTS,
    EVAL_SAMPLES,
    GENERATIONS,
    EvalPromptRecord,
    GenerationRecord,
    UserError,
)
from vargpt_schema.world import Scene, caption_at, image_id, named_scene_at, scene_at

ONE_FULL = 2_000_002  # a medium blue cross at the top centre on white
TWO_FULL = 3_000_001  # large yellow square middle right, small pink square centre, white
ONE_SHORT = 2_000_003  # "a large cyan moon"


def prompt_for(index: int) -> EvalPromptRecord:
    return EvalPromptRecord(
        prompt_id=f"p{index}",
        prompt=f"Draw {caption_at(index)}.",
        caption=caption_at(index),
        image_id=image_id(index),
        split="validation",
        label=None,
        wnid=None,
        source="world",
        prompt_template_id=None,
    )


def part_of(index: int, image: str | None, *, seed: int = 0, sha256: str | None = None):
    return GenerationRecord(
        prompt_id=f"p{index}",
        prompt=f"Draw {caption_at(index)}.",
        seed=seed,
        part_index=0 if image is None else 1,
        kind="text" if image is None else "image",
        text="Here it is." if image is None else None,
        image=image,
        image_sha256=sha256,
        guidance_scale=1.5,
        guidance_schedule="linear",
        temperature=1.0,
        top_k=0,
        top_p=0.0,
        model_sha256="0" * 64,
        finish_reason="stop",
    )


class Drawn:
    """A folder of generations with its prompts, ready to be scored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts: list[GenerationRecord] = []
        self.prompts: list[EvalPromptRecord] = []
        self.progress: list[tuple[int, int]] = []

    def add(self, index: int, scene: Scene | None, *, seed: int = 0) -> "Drawn":
        """One prompt with its picture; None draws none."""
        if prompt_for(index) not in self.prompts:
            self.prompts.append(prompt_for(index))
        self.parts.append(part_of(index, None, seed=seed))
        if scene is not None:
            name = f"images/{index}-{seed}.png"
            (self.folder / "images").mkdir(exist_ok=True)
            draw(scene, 64).save(self.folder / name)
            digest = hashlib.sha256((self.folder / name).read_bytes()).hexdigest()
            self.parts.append(part_of(index, name, seed=seed, sha256=digest))
        return self

    def add_image(self, index: int, image: str) -> "Drawn":
        """One prompt with an image path as it stands."""
        self.prompts.append(prompt_for(index))
        self.parts.append(part_of(index, image))
        return self

    def score(self):
        self.write()
        return score_world(
            self.folder / "generations.parquet",
            self.folder / "prompts.parquet",
            self.folder / "run",
            lambda done, total: self.progress.append((done, total)),
        )

    def write(self) -> None:
        GENERATIONS.write(self.parts, self.folder / "generations.parquet")
        EVAL_PROMPTS.write(self.prompts, self.folder / "prompts.parquet")

    @property
    def summary(self) -> dict:
        return json.loads((self.folder / "run" / "summary.json").read_text())["world"]

    @property
    def samples(self):
        return list(EVAL_SAMPLES.records(self.folder / "run" / "samples" / "world"))


@pytest.fixture
def drawn(tmp_path: Path) -> Drawn:
    return Drawn(tmp_path)


def test_right_drawings_are_right_in_everything(drawn: Drawn):
    for index in (ONE_FULL, TWO_FULL, ONE_SHORT):
        drawn.add(index, scene_at(index))
    score = drawn.score()
    assert (score.num_drawings, score.num_right, score.num_missing, score.num_unreadable) == (
        3, 3, 0, 0,
    )  # fmt: skip
    assert drawn.summary["right"] == {"value": 1.0, "n": 3, "ci95": [0.438503, 1.0]}
    assert {name: share["n"] for name, share in drawn.summary["by_split"].items()} == {
        "validation": 2,
        "withheld": 1,
    }
    assert {name: share["n"] for name, share in drawn.summary["by_num_objects"].items()} == {
        "1": 2,
        "2": 1,
    }
    assert {name: share["value"] for name, share in drawn.summary["by_attribute"].items()} == {
        "background": 1.0,
        "shape": 1.0,
        "colour": 1.0,
        "size": 1.0,
        "position": 1.0,
        "colour_and_shape": 1.0,
        "relation": 1.0,
        "count": 1.0,
    }
    assert drawn.progress == [(3, 3)]


def test_a_drawing_is_judged_on_what_its_caption_names_alone(drawn: Drawn):
    scene = scene_at(ONE_SHORT)
    assert named_scene_at(ONE_SHORT).background is None
    other = scene._replace(
        background="navy", objects=(scene.objects[0]._replace(position="bottom right"),)
    )
    assert drawn.add(ONE_SHORT, other).score().num_right == 1
    wrong = scene._replace(objects=(scene.objects[0]._replace(colour="red"),))
    assert Drawn(drawn.folder).add(ONE_SHORT, wrong).score().num_right == 0
    assert drawn.summary["by_attribute"]["colour"]["value"] == 0.0
    assert drawn.summary["by_attribute"]["shape"]["value"] == 1.0
    assert drawn.summary["by_attribute"]["colour_and_shape"]["value"] == 0.0
    assert drawn.summary["by_attribute"]["background"] == {"value": None, "n": 0, "ci95": None}
    assert drawn.summary["num_with_difference"] == {"colour": 1}


def test_missing_and_unreadable_pictures_are_wrong_and_counted_apart(drawn: Drawn):
    drawn.add(ONE_FULL, None)
    drawn.add_image(ONE_SHORT, "gone.png")
    (drawn.folder / "folder.png").mkdir()
    drawn.add_image(2_000_006, "folder.png")
    (drawn.folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    drawn.add_image(TWO_FULL, "broken.png")
    Image.new("RGB", (64, 64), (255, 255, 255)).save(drawn.folder / "blank.png")
    drawn.add_image(2_000_004, "blank.png")
    drawn.prompts.append(prompt_for(2_000_005))  # never generated
    score = drawn.score()
    assert (score.num_drawings, score.num_right, score.num_missing, score.num_unreadable) == (
        6, 0, 4, 2,
    )  # fmt: skip
    assert drawn.summary["num_undecodable"] == 1
    assert drawn.summary["opened"] == {"value": 0.333333, "n": 6, "ci95": [0.096771, 0.700007]}
    assert drawn.summary["by_attribute"]["count"]["value"] == 0.0
    assert [sample.error for sample in drawn.samples] == [
        "missing", "missing", "missing", "undecodable", None, "missing",
    ]  # fmt: skip


def test_a_sample_tells_what_was_asked_for_and_what_was_seen(drawn: Drawn):
    scene = scene_at(ONE_FULL)
    drawn.add(ONE_FULL, scene._replace(background="grey")).score()
    (sample,) = drawn.samples
    assert (sample.task, sample.sample_id, sample.cluster_id) == (
        "world",
        f"p{ONE_FULL}",
        image_id(ONE_FULL),
    )
    thing = {"shape": "cross", "colour": "blue", "size": "medium", "position": "top centre"}
    assert json.loads(sample.target) == {"background": "white", "objects": [thing]}
    assert json.loads(sample.parsed or "") == {"background": "grey", "objects": [thing]}
    assert (sample.score, sample.error, sample.category) == (0.0, None, "validation, 1 object")
    assert (sample.raw_response, sample.finish_reason) == (f"{ONE_FULL}-0.png", "stop")


def test_every_seed_of_a_prompt_is_a_drawing(drawn: Drawn):
    drawn.add(ONE_FULL, scene_at(ONE_FULL), seed=7).add(ONE_FULL, scene_at(TWO_FULL), seed=8)
    score = drawn.score()
    assert (score.num_drawings, score.num_right) == (2, 1)
    assert [sample.sample_id for sample in drawn.samples] == [f"p{ONE_FULL}", f"p{ONE_FULL}#2"]


def test_scoring_again_keeps_samples_until_a_picture_changes(drawn: Drawn):
    drawn.add(ONE_FULL, scene_at(ONE_FULL)).score()
    file = next((drawn.folder / "run" / "samples" / "world").iterdir())
    before = file.stat().st_ino
    drawn.score()
    assert file.stat().st_ino == before
    again = Drawn(drawn.folder).add(ONE_FULL, scene_at(TWO_FULL))
    assert again.score().num_right == 0
    assert file.stat().st_ino != before


def test_samples_of_an_earlier_larger_run_do_not_stay(drawn: Drawn):
    stale = drawn.folder / "run" / "samples" / "world" / "0-00001.parquet"
    EVAL_SAMPLES.write([], stale)
    drawn.add(ONE_FULL, scene_at(ONE_FULL)).score()
    assert len(drawn.samples) == 1


def test_the_summary_keeps_the_figures_of_other_tasks(drawn: Drawn):
    (drawn.folder / "run").mkdir()
    (drawn.folder / "run" / "summary.json").write_text('{"pope": {"accuracy": 1}}')
    drawn.add(ONE_FULL, scene_at(ONE_FULL)).score()
    found = json.loads((drawn.folder / "run" / "summary.json").read_text())
    assert sorted(found) == ["pope", "world"]
    assert found["pope"] == {"accuracy": 1}


@pytest.mark.parametrize(
    "image", ["../secret.png", "/etc/hostname", "a\\..\\b.png", "", "link.png"]
)
def test_image_paths_that_leave_the_folder_are_refused(drawn: Drawn, image: str):
    folder = drawn.folder / "inside"
    folder.mkdir()
    draw(scene_at(ONE_FULL), 64).save(drawn.folder / "secret.png")
    (folder / "link.png").symlink_to(drawn.folder / "secret.png")
    with pytest.raises(UserError, match="a path inside"):
        Drawn(folder).add_image(ONE_FULL, image).score()


def test_a_picture_far_too_large_is_an_error(drawn: Drawn):
    Image.new("1", (4_097, 10)).save(drawn.folder / "wide.png")
    with pytest.raises(UserError, match="4097 x 10 px found, at most 4096 px"):
        drawn.add_image(ONE_FULL, "wide.png").score()


def test_a_decompression_bomb_is_an_error(drawn: Drawn):
    Image.new("1", (20_000, 20_000)).save(drawn.folder / "bomb.png")
    with pytest.raises(UserError, match="a picture of too many pixels found"):
        drawn.add_image(ONE_FULL, "bomb.png").score()


def test_a_picture_changed_after_it_was_drawn_is_an_error(drawn: Drawn):
    drawn.add(ONE_FULL, scene_at(TWO_FULL))
    draw(scene_at(ONE_FULL), 64).save(drawn.folder / "images" / f"{ONE_FULL}-0.png")
    with pytest.raises(UserError, match="not the one recorded when it was drawn"):
        drawn.score()


def test_prompts_must_come_from_the_sample_world_of_this_release(drawn: Drawn):
    prompt = EVAL_PROMPTS.from_records([prompt_for(ONE_FULL)]).to_pylist()[0]
    drawn.prompts = [EvalPromptRecord(**{**prompt, "image_id": "ILSVRC2012_val_00019877"})]
    with pytest.raises(UserError, match="an id of the sample world"):
        drawn.score()
    drawn.prompts = [EvalPromptRecord(**{**prompt, "caption": "a red circle"})]
    with pytest.raises(UserError, match="was written from 'a red circle'"):
        drawn.score()


def test_prompts_and_generations_must_belong_together(drawn: Drawn):
    drawn.add(ONE_FULL, None)
    with pytest.raises(UserError, match="no prompt found"):
        Drawn(drawn.folder).score()
    drawn.prompts = [prompt_for(TWO_FULL)]
    with pytest.raises(UserError, match=f"generation of prompt 'p{ONE_FULL}' found"):
        drawn.score()
    drawn.prompts = [prompt_for(ONE_FULL)] * 2
    with pytest.raises(UserError, match="found twice"):
        drawn.score()


def test_a_table_that_was_moved_without_its_pictures_is_no_score_of_nothing(drawn: Drawn):
    drawn.add_image(ONE_FULL, "images/gone.png").add_image(TWO_FULL, "images/gone-too.png")
    with pytest.raises(UserError, match="none of 2 pictures found, the first"):
        drawn.score()


def test_a_table_of_nothing_but_empty_replies_is_a_score_of_nothing_right(drawn: Drawn):
    drawn.prompts = [prompt_for(ONE_FULL)]
    score = drawn.score()
    assert (score.num_drawings, score.num_right, score.num_missing) == (1, 0, 1)


def test_a_generation_that_is_there_twice_is_refused(drawn: Drawn):
    drawn.add(ONE_FULL, scene_at(ONE_FULL))
    drawn.parts *= 2
    with pytest.raises(UserError, match=f"part 0 of prompt 'p{ONE_FULL}', seed 0, found twice"):
        drawn.score()


def test_a_picture_with_transparency_is_read_and_shown_in_the_report(drawn: Drawn):
    draw(scene_at(ONE_FULL), 64).convert("RGBA").save(drawn.folder / "a.png")
    drawn.add_image(ONE_FULL, "a.png")
    assert drawn.score().num_right == 1
    assert "data:image/png" in (drawn.folder / "run/drawn/world.json").read_text()


def run_cli(*words: str, blocked: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys; {blocked}from vargpt_eval.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )


def test_the_command_scores_without_torch_and_ends_with_counts_and_path(drawn: Drawn):
    drawn.add(ONE_FULL, scene_at(ONE_FULL)).add(TWO_FULL, scene_at(ONE_FULL)).write()
    words = ("--generations", str(drawn.folder / "generations.parquet"))
    words += ("--prompts", str(drawn.folder / "prompts.parquet"), "--out", str(drawn.folder / "r"))
    done = run_cli("world", *words, blocked="sys.modules['torch'] = None; ")
    assert done.returncode == 0, done.stderr
    path = drawn.folder / "r" / "summary.json"
    assert done.stdout == f"1 of 2 drawings right, 0 unreadable, 0 missing -> {path}\n"
    assert "world: 2/2" in done.stderr


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path):
    words = ("--generations", str(tmp_path), "--prompts", str(tmp_path), "--out", str(tmp_path))
    done = run_cli("world", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {tmp_path}: no Parquet file found")
    assert done.stderr.count("\n") == 1


def test_help_has_an_example():
    done = run_cli("world", "--help")
    assert "Example: vargpt-eval world --generations" in " ".join(done.stdout.split())
