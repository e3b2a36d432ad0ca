from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from vargpt_datagen.cli import app
from vargpt_datagen.wording_templates import shipped_templates
from vargpt_datagen.world import draw, draw_for_build, draw_world
from vargpt_schema import (
    CAPTIONS,
    EVAL_PROMPTS,
    INSTRUCT,
    InstructRecord,
    Message,
    UserError,
    sample_id_of,
)
from vargpt_schema.world import caption_at, index_of, named_scene_at, scene_at


class Lines:
    """Remembers what progress was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []

    def __call__(self, done: int, total: int) -> None:
        self.told.append((done, total))


def instruct_row(image: str) -> InstructRecord:
    messages = (Message("user", "Draw a circle."), Message("assistant", "Here it is.<image_gen>"))
    return InstructRecord(
        sample_id=sample_id_of("world", None, [image], messages),
        messages=messages,
        images=(image,),
        task="generation",
        caption="a circle",
        image_id=None,
        label=None,
        wnid=None,
        source="world",
        method="template",
        prompt_seed_id=None,
        caption_seed_id=None,
        answer_seed_id=None,
        prompt_template_id=None,
        answer_template_id=None,
        shot_ids=(),
        generator=None,
        request_sha256=None,
        attempts=None,
    )


def build_of(folder: Path, *images: str) -> Path:
    """A build's folder with one row per image, written past the table's own row rules."""
    table = INSTRUCT.from_records([instruct_row(image) for image in images])
    (folder / "data").mkdir(parents=True)
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    return folder


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_world_pictures_and_captions_are_written_for_the_first_training_scenes(tmp_path: Path):
    progress = Lines()
    drawn = draw_world(tmp_path, 12, 32, progress)
    assert (drawn.num_drawn, drawn.num_kept, drawn.folder) == (12, 0, tmp_path / "world")
    assert names_in(tmp_path / "world") == [f"{index:08d}.png" for index in range(12)]
    with Image.open(tmp_path / "world" / "00000007.png") as picture:
        assert picture.tobytes() == draw(scene_at(7), 32).tobytes()
    assert progress.told == [(12, 12)]
    rows = list(CAPTIONS.records(tmp_path / "captions.parquet"))
    assert [row.caption for row in rows] == [caption_at(index) for index in range(12)]
    assert rows[3].image_id == "world-00000003"
    assert rows[3].image == "world/00000003.png"
    assert rows[3].class_name == "large red triangle on a grey background"
    assert (rows[3].split, rows[3].wnid, rows[3].quality_flags) == ("train", None, ())


def test_pictures_of_the_right_size_are_kept_and_others_drawn_again(tmp_path: Path):
    draw_world(tmp_path, 4, 32, Lines())
    folder = tmp_path / "world"
    (folder / "00000001.png").write_bytes(b"\x89PNG\r\n\x1a\n")  # cut off
    draw(scene_at(2), 64).save(folder / "00000002.png")
    kept = (folder / "00000000.png").stat().st_ino
    drawn = draw_world(tmp_path, 5, 32, Lines())
    assert (drawn.num_drawn, drawn.num_kept) == (3, 2)
    assert (folder / "00000000.png").stat().st_ino == kept
    for index in range(5):
        with Image.open(folder / f"{index:08d}.png") as picture:
            assert picture.size == (32, 32)


def test_many_pictures_are_drawn_by_two_processes_to_the_same_files(tmp_path: Path):
    progress = Lines()
    drawn = draw_world(tmp_path, 5_001, 16, progress)
    assert drawn.num_drawn == 5_001
    assert progress.told[-1] == (5_001, 5_001)
    assert len(names_in(tmp_path / "world")) == 5_001
    with Image.open(tmp_path / "world" / "00005000.png") as picture:
        assert picture.tobytes() == draw(scene_at(5_000), 16).tobytes()


def test_held_out_scenes_of_one_object_with_full_captions_and_their_questions(tmp_path: Path):
    draw_world(
        tmp_path, 6, 32, Lines(), split="validation", num_objects=1, full_captions=True,
        questions=True,
    )  # fmt: skip
    rows = list(CAPTIONS.records(tmp_path / "captions.parquet"))
    indices = [index_of(row.image_id) for row in rows]
    assert len(indices) == 6
    for index, row in zip(indices, rows, strict=True):
        assert (row.split, len(scene_at(index).objects)) == ("validation", 1)
        assert named_scene_at(index) == scene_at(index)
    assert names_in(tmp_path / "world") == [f"{index:08d}.png" for index in indices]
    asked = list(INSTRUCT.records(tmp_path / "questions" / "questions.parquet"))
    assert len(asked) == 6 * 7
    assert [row.images[0] for row in asked[::7]] == [row.image for row in rows]
    assert asked[0].source == "world/background"
    assert asked[0].messages[0].content.endswith(
        "background?\nAnswer the question using a single word or phrase."
    ) or asked[0].messages[0].content.endswith(
        "background have?\nAnswer the question using a single word or phrase."
    )
    assert asked[0].messages[1].content == scene_at(indices[0]).background


def test_a_dialogue_asks_everything_about_its_picture_and_presence_first(tmp_path: Path):
    draw_world(tmp_path, 7, 32, Lines(), num_objects=1, questions=True)
    asked = list(INSTRUCT.records(tmp_path / "questions" / "questions.parquet"))
    dialogues = list(INSTRUCT.records(tmp_path / "dialogues" / "dialogues.parquet"))
    orders = []
    for place, row in enumerate(dialogues):
        mine = {
            each.messages[0].content.split("\n")[1]: each
            for each in asked[7 * place : 7 * place + 7]
        }
        said = "".join(each.content for each in row.messages)
        assert said.count("<image>") == said.count("single word or phrase") == 1
        questions = [
            each.content.removeprefix("<image>\n").split("\n")[0] for each in row.messages[::2]
        ]
        answers = [mine[question].messages[1].content for question in questions]
        assert [each.content for each in row.messages[1::2]] == answers
        orders.append([mine[question].source.removeprefix("world/") for question in questions])
    assert orders[0] == [
        "count",
        "existence",
        "background",
        "shape",
        "colour",
        "size",
        "position",
    ]
    assert orders[6][:3] == ["existence", "count", "background"]
    assert orders[2][2:] == ["colour", "size", "position", "background", "shape"]


def test_requests_to_draw_withheld_scenes_name_them_in_templates_that_training_lacks(
    tmp_path: Path,
):
    draw_world(tmp_path, 5, 32, Lines(), split="withheld", full_captions=True, prompts=True)
    rows = list(EVAL_PROMPTS.records(tmp_path / "prompts.parquet"))
    held_out = {each.template_id: each for each in shipped_templates().held_out_prompts}
    assert len(rows) == 5
    for row in rows:
        assert (row.split, row.source, row.label) == ("withheld", "world", None)
        assert row.caption == caption_at(index_of(row.image_id))
        assert row.prompt_template_id in held_out
        assert row.caption in row.prompt


def test_more_scenes_of_a_kind_than_a_split_has_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"--rows: 9000 found, 1 to 5053 expected.*withheld"):
        draw_world(tmp_path, 9_000, 32, Lines(), split="withheld", num_objects=2)


@pytest.mark.parametrize("rows", [0, -1, 1_281_168])
def test_more_rows_than_the_world_has_are_refused(tmp_path: Path, rows: int):
    with pytest.raises(UserError, match=f"--rows: {rows} found, 1 to 1281167 expected"):
        draw_world(tmp_path, rows, 32, Lines())


@pytest.mark.parametrize("size_px", [15, 4_097])
def test_sizes_that_cannot_be_drawn_are_refused(tmp_path: Path, size_px: int):
    with pytest.raises(UserError, match=f"--size: {size_px} px found, 16 to 4096 expected"):
        draw_world(tmp_path, 1, size_px, Lines())


def test_the_pictures_that_a_build_names_are_drawn_under_its_images(tmp_path: Path):
    build = build_of(tmp_path, "world/00000042.png", "world/02000001.png", "world/00000042.png")
    drawn = draw_for_build(build, 32, Lines())
    assert (drawn.num_drawn, drawn.folder) == (2, tmp_path / "images" / "world")
    assert names_in(drawn.folder) == ["00000042.png", "02000001.png"]


def test_another_image_root_can_be_chosen(tmp_path: Path):
    build = build_of(tmp_path / "build", "world/00000042.png")
    draw_for_build(build, 32, Lines(), out=tmp_path / "root")
    assert names_in(tmp_path / "root" / "world") == ["00000042.png"]
    assert names_in(build) == ["data"]


@pytest.mark.parametrize(
    "image",
    [
        "n01440764/n01440764_10026.JPEG",
        "../world/00000042.png",
        "/world/00000042.png",
        "world/../00000042.png",
        "world/00000042.png\n",
        "world/0000004\u0662.png",
        "world/42.png",
        "world/99999999.png",
    ],
)
def test_nothing_in_a_build_becomes_a_path(tmp_path: Path, image: str):
    build = build_of(tmp_path, image)
    with pytest.raises(UserError, match="of the sample world such as"):
        draw_for_build(build, 32, Lines())
    assert names_in(build) == ["data"]


def test_a_folder_that_is_no_build_is_a_mistake_of_the_user(tmp_path: Path):
    with pytest.raises(UserError, match="no Parquet file found"):
        draw_for_build(tmp_path, 32, Lines())


def test_a_place_that_cannot_be_written_is_a_mistake_of_the_user(tmp_path: Path):
    (tmp_path / "world").write_text("a file where the folder must go")
    with pytest.raises(UserError, match="cannot be written"):
        draw_world(tmp_path, 1, 32, Lines())


def test_a_build_names_its_scenes_itself(tmp_path: Path):
    build = build_of(tmp_path / "b", "world/00000042.png")
    command = ["world", "--for", str(build), "--size", "32", "--questions"]
    answer = CliRunner().invoke(app, command)
    assert isinstance(answer.exception, UserError)
    assert "--questions and --prompts go with --rows" in str(answer.exception)
