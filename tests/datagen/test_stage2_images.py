"""Pictures: what can be used, what cannot and why, and the list that survives a kill."""

import hashlib
import io
import os
from pathlib import Path

import pytest
from PIL import Image

from tests.datagen.stage2_inputs import picture
from vargpt_datagen.stage2.images import (
    EmbeddedImages,
    ImageRoot,
    Picture,
    bombs_are_errors,
    embedded_name,
    in_threads,
    is_misnamed,
    picture_of,
    safe_name,
)
from vargpt_datagen.stage2.ledger import ImageLedger
from vargpt_schema import UserError


def noisy_jpeg(side_px: int = 96) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((side_px, side_px), 90).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_pictures_of_every_usual_format_can_be_used(format_name):
    data = picture(1, format_name)
    expected = Picture(hashlib.sha256(data).digest(), len(data), format_name, "")
    assert picture_of(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        noisy_jpeg()[:-200],
        picture(1, "PNG")[:-30],
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x89PNG\r\n\x1a\n" + bytes(40),
    ],
)
def test_what_cannot_be_decoded_whole_is_said(data):
    assert picture_of(data) == Picture(
        hashlib.sha256(data).digest(), len(data), "", "undecodable_image"
    )


def test_a_picture_with_too_many_pixels_is_not_decoded():
    data = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(data, "PNG")
    with bombs_are_errors():
        assert picture_of(data.getvalue()).fault == "too_many_pixels"


def test_data_of_another_format_than_the_name_says_is_noticed():
    assert is_misnamed("ocr_vqa/images/1.jpg", "GIF")
    assert not is_misnamed("coco/a.JPG", "JPEG")
    assert not is_misnamed("coco/a.jpeg", "MPO")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images" / "coco").mkdir(parents=True)
    (tmp_path / "images" / "coco" / "a.jpg").write_bytes(picture(1))
    (tmp_path / "secret.jpg").write_bytes(picture(2))
    return tmp_path / "images"


def test_a_file_below_the_root_is_read(root: Path):
    assert ImageRoot(root).picture("coco/a.jpg") == picture_of(picture(1))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("coco/none.jpg", "missing_image"),
        ("none/a.jpg", "missing_image"),
        ("coco/a.jpg/b.jpg", "missing_image"),
        ("coco", "missing_image"),
        ("../secret.jpg", "bad_image_path"),
        ("/etc/passwd", "bad_image_path"),
        ("coco/../../secret.jpg", "bad_image_path"),
        ("http://host/a.jpg", "bad_image_path"),
        ("coco\\a.jpg", "bad_image_path"),
        ("", "bad_image_path"),
        ("a\x00b", "bad_image_path"),
        ("x" * 5_000, "unreadable_image"),
    ],
)
def test_names_without_a_file_below_the_root_are_refused(name, fault, root: Path):
    assert ImageRoot(root).picture(name).fault == fault


def test_links_out_of_the_root_are_refused_and_those_within_are_not(root: Path):
    (root / "coco" / "out.jpg").symlink_to(root.parent / "secret.jpg")
    (root / "coco" / "in.jpg").symlink_to(root / "coco" / "a.jpg")
    (root / "elsewhere").symlink_to(root.parent)
    opened = ImageRoot(root)
    assert opened.picture("coco/out.jpg").fault == "image_outside_root"
    assert opened.picture("elsewhere/secret.jpg").fault == "image_outside_root"
    assert opened.picture("coco/in.jpg").fault == ""
    assert not opened.is_folder("elsewhere")
    assert opened.is_folder("coco")


def test_a_root_that_is_itself_a_link_is_a_root(root: Path, tmp_path: Path):
    (tmp_path / "link").symlink_to(root)
    assert ImageRoot(tmp_path / "link").picture("coco/a.jpg").fault == ""


def test_a_pipe_is_no_picture(root: Path):
    os.mkfifo(root / "coco" / "pipe.jpg")
    assert ImageRoot(root).picture("coco/pipe.jpg").fault == "missing_image"


def test_embedded_bytes_are_written_unchanged_and_once(tmp_path: Path):
    embedded = EmbeddedImages(tmp_path, tmp_path / "build")
    data = picture(1, "PNG")
    name = embedded_name("ai2d(gpt4v)", hashlib.sha256(data).digest())
    assert name == f"onevision/ai2d_gpt4v/{hashlib.sha256(data).hexdigest()}.jpg"
    with embedded.writing():
        embedded.write(name, data)
        before = (tmp_path / name).stat().st_mtime_ns
        embedded.write(name, data)
    assert (tmp_path / name).read_bytes() == data
    assert (tmp_path / name).stat().st_mtime_ns == before
    assert [path.name for path in (tmp_path / "onevision").iterdir()] == ["ai2d_gpt4v"]


def test_what_a_killed_build_left_half_written_is_cleared_by_the_same_build_only(tmp_path: Path):
    killed = EmbeddedImages(tmp_path, tmp_path / "build")
    with killed.writing():
        (parts,) = (tmp_path / "onevision").iterdir()
        kept = parts.rename(parts.with_name("kept"))
        (kept / "0").write_bytes(b"half")
        parts.mkdir()
    kept.rename(parts)
    with EmbeddedImages(tmp_path, tmp_path / "another").writing():
        assert (parts / "0").exists()
    with EmbeddedImages(tmp_path, tmp_path / "build").writing():
        assert not (parts / "0").exists()
    assert list((tmp_path / "onevision").iterdir()) == []


@pytest.mark.parametrize(
    ("subset", "name"),
    [
        ("ai2d(cauldron,llava_format)", "ai2d_cauldron_llava_format"),
        ("GeoQA+(MathV360K)", "GeoQA_MathV360K"),
        ("../../etc", "etc"),
        ("..", "_"),
        ("a/b", "a_b"),
    ],
)
def test_a_subsets_name_is_no_path(subset, name):
    assert safe_name(subset) == name


def test_results_come_in_order_and_a_failure_reaches_the_caller():
    assert list(in_threads(lambda number: number * number, range(100))) == [
        number * number for number in range(100)
    ]
    with pytest.raises(ZeroDivisionError):
        list(in_threads(lambda number: 1 // (number - 50), range(100)))


def test_few_items_are_taken_before_their_results_are():
    taken: list[int] = []
    results = in_threads(str, (taken.append(number) or number for number in range(1_000)))
    next(results)
    assert len(taken) <= 17
    del results


def test_the_ledger_gives_back_what_was_noted_in_an_earlier_run(tmp_path: Path):
    first, second = picture_of(picture(1)), Picture(b"", 0, "", "missing_image")
    ledger = ImageLedger(tmp_path / "pictures.sqlite")
    for number in range(1_200):
        ledger.note(f"place {number}", first if number % 2 else second)
    ledger.close()
    again = ImageLedger(tmp_path / "pictures.sqlite")
    found = again.known([f"place {number}" for number in range(2_000)])
    assert len(found) == 1_200
    assert (found["place 1"], found["place 2"]) == (first, second)
    again.note("place 2", first)
    assert again.known(["place 2"]) == {"place 2": first}
    again.close()


def test_a_damaged_ledger_is_named(tmp_path: Path):
    (tmp_path / "pictures.sqlite").write_bytes(b"no database" * 1_000)
    with pytest.raises(UserError, match="the list of pictures cannot be read"):
        ImageLedger(tmp_path / "pictures.sqlite")
