from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.datagen.odd_pictures import encoded, picture, write_odd_pictures
from vargpt_datagen.captioning import decoding
from vargpt_datagen.captioning.decoding import Decoders, Square, decode
from vargpt_schema import UserError

SQUARE = Square(28, 28, Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("name", "oddities", "fault"),
    [
        ("plain_1.jpg", (), ""),
        ("plain_2.png", (), ""),
        ("cmyk.JPEG", ("cmyk",), ""),
        ("grey.jpg", ("greyscale",), ""),
        ("png_inside.JPEG", ("misnamed",), ""),
        ("palette.gif", (), ""),
        ("cut_short.jpg", (), "undecodable_image"),
        ("empty.jpg", (), "empty_file"),
        ("text.jpg", (), "undecodable_image"),
        ("absent.jpg", (), "missing_image"),
    ],
)
def test_odd_pictures_are_decoded_and_damaged_ones_named(name, oddities, fault, tmp_path: Path):
    decoded = decode(write_odd_pictures(tmp_path / "odd") / name, SQUARE)
    assert (decoded.oddities, decoded.fault) == (oddities, fault)
    if fault:
        assert decoded.pixels is None
    else:
        assert decoded.pixels is not None
        assert (decoded.pixels.shape, decoded.pixels.dtype) == ((28, 28, 3), np.uint8)


def test_bombs_and_huge_files_are_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "large.png"
    path.write_bytes(encoded(picture(size=(64, 64)), "PNG"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    assert decode(path, SQUARE).fault == "too_many_pixels"
    monkeypatch.setattr(decoding, "MAX_FILE_BYTES", 10)
    assert decode(path, SQUARE).fault == "image_too_large"


def test_worker_processes_give_batches_in_order_and_the_same_pixels(tmp_path: Path):
    folder = tmp_path / "many"
    folder.mkdir()
    names = [f"{number:02d}.png" for number in range(50)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(encoded(picture(size=(20 + number, 30)), "PNG"))
    batches = [names[:20], names[20:21], names[21:]]
    with Decoders(folder, SQUARE, 2) as decoders:
        found = list(decoders.batches(batches))
        again = list(decoders.batches(batches[:1]))  # the processes serve on
    assert [len(batch) for batch in found] == [20, 1, 29]
    for batch, decoded in zip(batches, found, strict=True):
        for name, each in zip(batch, decoded, strict=True):
            np.testing.assert_array_equal(each.pixels, decode(folder / name, SQUARE).pixels)
    assert len(again[0]) == 20


def test_a_killed_worker_is_one_line(tmp_path: Path):
    with Decoders(tmp_path, SQUARE, 1) as decoders:
        batches = decoders.batches([["a.png"]] * 50)
        assert next(batches)[0].fault == "missing_image"
        for process in list(decoders._pool._processes.values()):
            process.kill()
            process.join()
        with pytest.raises(UserError, match="a process that decodes images was killed"):
            for _ in range(60):
                next(batches)
