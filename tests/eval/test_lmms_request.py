"""What lmms-eval asks, as our model is asked it; no lmms-eval here."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from PIL import Image

from vargpt_eval.answering.answerer import Asked, message_parts
from vargpt_eval.lmms.request import asked_of, max_new_tokens_of

GREY = Image.new("L", (4, 3), 128)


def test_lmms_eval_finds_the_model_by_an_entry_point():
    found = [one.value for one in entry_points(group="lmms_eval.models") if one.name == "vargpt"]
    assert found == ["vargpt_eval.lmms.manifest:manifest"]


def test_the_entry_point_loads_where_lmms_eval_is_not_installed():
    code = (
        "import sys; sys.modules['lmms_eval'] = None; sys.modules['torch'] = None;"
        "import vargpt_eval.lmms.manifest"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_images_come_first_and_are_rgb():
    asked = asked_of("Is it grey?", [GREY, GREY], "pope, item 3")
    assert [image.mode for image in asked.images] == ["RGB", "RGB"]
    assert asked.pieces == ["", " ", "\nIs it grey?"]


def test_a_question_without_an_image_is_its_text():
    assert asked_of("Why?", [], "x").pieces == ["Why?"]
    assert asked_of("Why?", None, "x").pieces == ["Why?"]
    assert asked_of("What does <image> mean?", [], "x").pieces == ["What does <image> mean?"]


def test_images_stand_where_the_question_has_them():
    asked = asked_of("<image>\nand <image> differ?", [GREY, GREY], "x")
    assert asked.pieces == ["", "\nand ", " differ?"]
    assert message_parts(asked.pieces) == [
        {"type": "image"},
        {"type": "text", "text": "\nand "},
        {"type": "image"},
        {"type": "text", "text": " differ?"},
    ]


def test_another_number_of_places_than_of_images_is_refused():
    with pytest.raises(ValueError, match="2 times <image> found in the question, 1 expected"):
        _ = asked_of("<image> or <image>?", [GREY], "x").pieces


def test_a_number_in_the_mark_of_an_image_leaves_the_images_first():
    """MMMU's `<image 1>` is read as text, as lmms-eval's default has it."""
    assert asked_of("See <image 1>.", [GREY], "x").pieces == ["", "\nSee <image 1>."]


@pytest.mark.parametrize("visual", ["clip.mp4", {"array": [0.0]}])
def test_videos_and_audio_are_refused_with_the_item(visual):
    with pytest.raises(ValueError, match=r"^videomme, item 7: a (str|dict) found, images expected"):
        asked_of("What?", [visual], "videomme, item 7")


@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        ({"max_new_tokens": 16, "temperature": 0, "do_sample": False, "num_beams": 1}, 16),
        ({"until": ["\n\n"], "do_sample": False}, 1024),
        ({"temperature": 0.0, "top_p": None}, 1024),
        ({"max_new_tokens": 5, "do_sample": False, "temperature": 0.7}, 5),
    ],
)
def test_the_length_is_that_of_the_task_or_1024(generation, expected):
    assert max_new_tokens_of(generation, "x") == expected


@pytest.mark.parametrize("generation", [{"temperature": 0.2}, {"num_beams": 3, "temperature": 0}])
def test_sampling_and_beams_are_refused_with_what_to_add(generation):
    with pytest.raises(ValueError, match=r"mmvet: .* found, greedy .* Add --gen_kwargs temp"):
        max_new_tokens_of(generation, "mmvet")


def test_an_interleaved_question_keeps_special_marks_of_the_text():
    asked = Asked("<image> <image_gen>?", (GREY.convert("RGB"),), is_interleaved=True)
    assert asked.pieces == ["", " <image_gen>?"]
