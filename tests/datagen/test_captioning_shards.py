import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from tests.datagen.odd_pictures import write_odd_pictures
from vargpt_datagen.captioning.decoding import Decoders, Square
from vargpt_datagen.captioning.images import list_images
from vargpt_datagen.captioning.shards import (
    Shard,
    captioned_shards,
    read_skipped,
    write_shard,
)
from vargpt_schema import CAPTIONS

SQUARE = Square(8, 8, 3)


class Text(NamedTuple):
    text: str
    is_at_limit: bool = False


class FakeModel:
    """Says what the test wants, picture by picture."""

    def __init__(self, *texts: Text) -> None:
        self.texts = list(texts)
        self.batch_sizes: list[int] = []

    def captions(self, pixels: np.ndarray) -> list[Text]:
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == (8, 8, 3)
        self.batch_sizes.append(len(pixels))
        return [self.texts.pop(0) for _ in pixels]


def written(folder: Path, model: FakeModel, path: Path, batch_size: int = 4) -> list[int]:
    """Make one shard of all images of a folder; what was told of progress."""
    seen: list[int] = []
    shard = Shard(path, list_images(folder).rows)
    with Decoders(folder, SQUARE, 1) as decoders:
        made = captioned_shards(
            [shard], model, decoders, captioner="m@1", batch_size=batch_size, on_images=seen.append
        )
        for each in made:
            write_shard(each)
    return seen


TEXTS = [
    Text(" a cat on a mat.\n"),  # cmyk.JPEG
    Text("a hat on top of a hat on top of a hat on top of", is_at_limit=True),  # grey.jpg
    Text("\n"),  # palette.gif
    Text("<image> a dog"),  # plain_1.jpg
    Text("a man riding\n  a horse"),  # plain_2.png
    Text("a close up of an ostrich"),  # png_inside.JPEG
]


def test_rows_keep_the_raw_text_and_flag_what_is_wrong(tmp_path: Path):
    folder = write_odd_pictures(tmp_path / "odd")
    model = FakeModel(*TEXTS)
    path = tmp_path / "data" / "train-00000-of-00001.parquet"
    assert written(folder, model, path) == [4, 4, 1]
    assert model.batch_sizes == [2, 4]  # what is damaged does not get to the model
    rows = CAPTIONS.read(path).to_pylist()
    assert [(row["image"], row["caption_raw"], row["caption"]) for row in rows] == [
        ("cmyk.JPEG", " a cat on a mat.\n", "a cat on a mat"),
        ("grey.jpg", TEXTS[1].text, TEXTS[1].text),
        ("plain_1.jpg", "<image> a dog", "<image> a dog"),
        ("plain_2.png", "a man riding\n  a horse", "a man riding a horse"),
        ("png_inside.JPEG", "a close up of an ostrich", "a close up of an ostrich"),
    ]
    assert [row["quality_flags"] for row in rows] == [
        ["cmyk"],
        ["greyscale", "token_limit", "cut_off"],
        ["special_token"],
        [],
        ["misnamed"],
    ]
    assert {row["captioner"] for row in rows} == {"m@1"}
    assert [tuple(each) for each in read_skipped(path)] == [
        ("cut_short.jpg", "undecodable_image", ""),
        ("empty.jpg", "empty_file", ""),
        ("palette.gif", "empty_caption", "\n"),
        ("text.jpg", "undecodable_image", ""),
    ]


def test_the_number_of_images_at_once_changes_no_byte(tmp_path: Path):
    folder = write_odd_pictures(tmp_path / "odd")
    files = []
    for batch_size in (1, 2, 100):
        files.append(tmp_path / str(batch_size) / "train-00000-of-00001.parquet")
        written(folder, FakeModel(*TEXTS), files[-1], batch_size)
    assert len({path.read_bytes() for path in files}) == 1


def test_a_shard_without_any_usable_image_is_a_file_without_rows(tmp_path: Path):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"no picture")
    path = tmp_path / "train-00000-of-00001.parquet"
    written(folder, FakeModel(), path)
    assert CAPTIONS.read(path).num_rows == 0
    assert json.loads(CAPTIONS.file_metadata(path)["skipped"]) == [
        ["a.jpg", "undecodable_image", ""]
    ]
    assert CAPTIONS.read(path).schema.equals(pa.schema(CAPTIONS.schema))
