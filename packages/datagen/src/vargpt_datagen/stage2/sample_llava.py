"""The sample world's records in the form of `llava_v1_5_mix665k.json`, a few with its faults."""

import io
from typing import Any, NamedTuple

from PIL import Image

from vargpt_datagen.stage2.mixture import LLAVA_ROOTS
from vargpt_datagen.stage2.sample_texts import (
    Said,
    description_turns,
    language_turns,
    question_before_picture,
    question_turns,
    said,
)
from vargpt_datagen.world import draw
from vargpt_schema.world import scene_at
from vargpt_schema.world.hashing import mixed

SIZE_PX = 64
_ROOT_ENDS = [  # shares of the real file
    (sum(each.rows for each in list(LLAVA_ROOTS.values())[: place + 1]), root)
    for place, root in enumerate(LLAVA_ROOTS)
]


class LlavaSample(NamedTuple):
    """One record, and its picture's file."""

    record: dict[str, Any]
    image: str | None  # path below the image root; None: a text-only record
    data: bytes | None  # None: the file is missing, as a few of OCR-VQA's are


def llava_sample(number: int) -> LlavaSample:
    """The record with this number; its scene has the same number."""
    chance = mixed(number ^ (31 << 50))
    place = (chance >> 20) % _ROOT_ENDS[-1][0]
    root = next(root for end, root in _ROOT_ENDS if place < end)
    if root == "text":
        record = {"id": f"{chance % 36**6:07x}_0", "model": "", "conversations": _text(number)}
        return LlavaSample(record, None, None)
    image = _image_name(root, number)
    turns = _turns(number, chance % 1_000)
    stem = image.rpartition("/")[2].removesuffix(".jpg")
    record = {"id": stem, "image": image, "conversations": turns}
    return LlavaSample(record, image, _data(number, chance % 1_000))


def picture_bytes(index: int, format_name: str) -> bytes:
    """A scene of the world as a file of this format, such as "JPEG"."""
    buffer = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if format_name == "JPEG" else {}
    picture: Image.Image = draw(scene_at(index), SIZE_PX)
    picture.save(buffer, format_name, **options)
    return buffer.getvalue()


def _turns(number: int, fate: int) -> Said:
    if fate in range(9, 12):  # two placeholders for one picture
        turns = question_turns(number, 1)
        return said(f"<image>\n{turns[0]['value']}", turns[1]["value"])
    if fate in range(12, 15):  # none
        turns = question_turns(number, 1)
        return said(turns[0]["value"].removeprefix("<image>\n"), turns[1]["value"])
    if fate in range(15, 35):
        return question_before_picture(number)
    if fate % 3 == 0:
        return description_turns(number)
    return question_turns(number, 1 + fate % 4)


def _data(number: int, fate: int) -> bytes | None:
    if fate in range(3):
        return None
    data = picture_bytes(number, "GIF" if fate in range(6, 9) else "JPEG")
    return data[: len(data) // 2] if fate in range(3, 6) else data


def _text(number: int) -> Said:
    fate = mixed(number ^ (37 << 50)) % 1_000
    turns = language_turns(number, 1 + fate % 3)
    if fate in range(50):
        return said("What does <image> mean in a prompt?", "A picture is put where <image> stands.")
    if fate in range(50, 70):
        return [*said("Hello!", "Hello!")[1:], *turns]  # an answer first
    if fate in range(70, 80):
        return said(f"{turns[0]['value']}</s>", turns[1]["value"])
    if fate in range(80, 90):
        return [turns[0], *turns]  # two requests in a row
    return turns


def _image_name(root: str, number: int) -> str:
    if root == "coco":
        return f"coco/train2017/{number:012d}.jpg"
    if root == "gqa":
        return f"gqa/images/{2_300_000 + number}.jpg"
    if root == "ocr_vqa":
        return f"ocr_vqa/images/{mixed(number) % 10**10:010d}.jpg"
    if root == "textvqa":
        return f"textvqa/train_images/{mixed(number):016x}.jpg"
    return f"vg/VG_100K{'_2' if number % 2 else ''}/{number}.jpg"
