"""Images of every source as columns of one form."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datagen.enriched import (
    imagenet_record,
    own_record,
    world_record,
    write_enriched,
    write_own,
)
from tests.datagen.imagenet_tree import TENCH, write_train
from vargpt_datagen import world_images
from vargpt_datagen.caption_columns import Split
from vargpt_datagen.caption_parquet import ParquetCaptions
from vargpt_datagen.caption_source import WORLD_VERSION, WorldCaptions
from vargpt_datagen.image_columns import IMAGE_COLUMNS, ImageColumns, open_images
from vargpt_datagen.world import captions_table
from vargpt_schema import UserError, world

LINES = ["a dog\n", "a bowl of", "a  cat.", "a fish"]
IDS = [f"{TENCH}_{at}.JPEG" for at in range(4)]


def opened(
    path: Path | str, split: Split = "train", *, needs_captions: bool = True, **more: Any
) -> ImageColumns:
    return open_images(str(path), split=split, needs_captions=needs_captions, **more)


def rows_of(images: ImageColumns, rows: list[int] | None = None) -> list[dict[str, Any]]:
    chosen = None if rows is None else np.array(rows, np.int64)
    return [row for table in images.batches(chosen, batch_rows=2) for row in table.to_pylist()]


def enriched(path: Path, captions=LINES, ids=IDS, label: int | None = 0) -> Path:
    """The layout of the hub, with one label throughout."""
    table = pq.read_table(write_enriched(path, captions, ids))
    labels = pa.array([label] * len(captions), pa.int64())
    pq.write_table(table.set_column(2, "label", labels), path)
    return path


def test_the_hub_layout_gives_ids_paths_classes_and_clean_captions(tmp_path: Path):
    images = opened(enriched(tmp_path / "c.parquet"))
    assert (images.name, images.title, images.num_rows) == ("imagenet", "ImageNet-Instruct", 3)
    assert dict(images.dropped) == {"cut_off": 1}
    assert rows_of(images)[0] == {
        "image_id": f"{TENCH}_0",
        "image": f"train/{TENCH}/{TENCH}_0.JPEG",
        "label": 0,
        "wnid": TENCH,
        "class_name": "tench, Tinca tinca",
        "caption": "a dog",
    }
    assert [row["caption"] for row in rows_of(images)] == ["a dog", "a cat", "a fish"]


def test_where_no_captions_are_needed_none_is_read_and_no_image_left_out(tmp_path: Path):
    images = opened(enriched(tmp_path / "c.parquet"), needs_captions=False)
    assert (images.num_rows, dict(images.dropped), images.captioner) == (4, {}, None)
    assert [row["caption"] for row in rows_of(images)] == [None] * 4
    table = pq.read_table(tmp_path / "c.parquet")
    pq.write_table(table.drop_columns(["caption_enriched"]), tmp_path / "c.parquet")
    assert opened(tmp_path, needs_captions=False).fingerprint == images.fingerprint


def test_our_own_table_keeps_the_class_names_it_has(tmp_path: Path):
    records = [
        own_record("a", class_name="ring"),
        own_record("b", class_name=None),
        own_record("c", split="validation"),
    ]
    images = opened(write_own(tmp_path / "c.parquet", records))
    assert (images.name, images.captioner) == ("captions", "a-captioner")
    assert [row["class_name"] for row in rows_of(images)] == ["ring", None]


def test_our_own_table_of_imagenet_gets_the_names_it_lacks(tmp_path: Path):
    records = [
        imagenet_record(f"{TENCH}_1", class_name=None),
        imagenet_record(f"{TENCH}_2", class_name="fish"),
        imagenet_record("n99999999_1", class_name=None),
    ]
    names = [
        row["class_name"] for row in rows_of(opened(write_own(tmp_path / "c.parquet", records)))
    ]
    assert names == ["tench, Tinca tinca", "fish", None]


@pytest.mark.parametrize("needs_captions", [True, False])
def test_every_table_has_the_same_columns(needs_captions, tmp_path: Path):
    enriched(tmp_path / "enriched" / "c.parquet")
    write_own(tmp_path / "own" / "c.parquet", [own_record("a")])
    for source in ("world", tmp_path / "enriched", tmp_path / "own"):
        images = opened(source, needs_captions=needs_captions)
        tables = list(images.batches(np.array([0])))
        assert [table.schema for table in tables] == [IMAGE_COLUMNS]


def test_rows_come_in_the_order_asked_for_and_in_batches(tmp_path: Path):
    images = opened(enriched(tmp_path / "c.parquet", ["a dog"] * 4))
    ids = [row["image_id"][-1] for row in rows_of(images, [3, 0, 2, 2, 1])]
    assert ids == ["3", "0", "2", "2", "1"]
    assert [table.num_rows for table in images.batches(batch_rows=3)] == [3, 1]
    assert list(images.batches(np.array([], np.int64))) == []
    tables = images.tables([np.array([1]), np.array([], np.int64), np.array([0, 3])])
    assert [table.column("image_id").to_pylist() for table in tables] == [
        [f"{TENCH}_1"],
        [],
        [f"{TENCH}_0", f"{TENCH}_3"],
    ]


def test_rows_that_do_not_exist_are_an_error_even_next_to_those_that_do(tmp_path: Path):
    images = opened(enriched(tmp_path / "c.parquet", ["a dog"] * 4))
    with pytest.raises(IndexError):
        rows_of(images, [3, 4])
    with pytest.raises(IndexError):
        rows_of(images, [-1, 0])


def test_one_row_a_caption_whichever_way_they_are_opened(tmp_path: Path):
    path = enriched(tmp_path / "c.parquet")
    source, images = ParquetCaptions(path), opened(path)
    assert [source.image(at)._asdict() for at in range(len(source))] == [
        {name: row[name] for name in ("image_id", "image", "label", "wnid", "caption")}
        for row in rows_of(images)
    ]


def test_validation_images_have_their_class_from_the_label(tmp_path: Path):
    ids = [f"ILSVRC2012_val_0000000{at}.JPEG" for at in range(4)]
    data = tmp_path / "data"
    enriched(data / "train-00000-of-00001.parquet")
    enriched(data / "validation-00000-of-00001.parquet", LINES, ids, label=999)
    images = opened(tmp_path, "validation")
    assert rows_of(images)[0] == {
        "image_id": "ILSVRC2012_val_00000000",
        "image": "val/ILSVRC2012_val_00000000.JPEG",
        "label": 999,
        "wnid": "n15075141",
        "class_name": "toilet tissue, toilet paper, bathroom tissue",
        "caption": "a dog",
    }
    assert opened(tmp_path).num_rows == images.num_rows == 3


def test_images_of_the_other_split_are_left_out_and_counted(tmp_path: Path):
    ids = [*IDS[:3], "ILSVRC2012_val_00000001.JPEG"]
    path = enriched(tmp_path / "c.parquet", ["a dog"] * 4, ids)
    assert dict(opened(path).dropped) == {"validation_image": 1}
    images = opened(path, "validation")
    assert (images.num_rows, dict(images.dropped)) == (1, {"training_image": 3})


def test_our_own_table_says_itself_which_images_are_for_validation(tmp_path: Path):
    records = [imagenet_record(f"{TENCH}_{at}", split="validation", label=0) for at in range(2)]
    path = write_own(tmp_path / "c.parquet", [*records, imagenet_record(f"{TENCH}_9")])
    assert [row["image_id"] for row in rows_of(opened(path, "validation"))] == [
        f"{TENCH}_0",
        f"{TENCH}_1",
    ]


def test_files_of_one_split_alone_are_refused_for_the_other(tmp_path: Path):
    path = enriched(tmp_path / "c.parquet", ["a dog"] * 4)
    with pytest.raises(
        UserError, match=r"no usable image of split 'validation' .*training_image 4"
    ):
        opened(path, "validation")
    own = write_own(tmp_path / "own.parquet", [own_record("a")])
    with pytest.raises(UserError, match="only rows of split 'validation' are read"):
        opened(own, "validation")
    (tmp_path / "folder").mkdir()
    path.rename(tmp_path / "folder" / "train-00000-of-00001.parquet")
    with pytest.raises(UserError, match="no Parquet file of validation captions found"):
        opened(tmp_path / "folder", "validation")


def test_labels_in_another_order_are_refused(tmp_path: Path):
    path = enriched(tmp_path / "c.parquet", label=1)
    with pytest.raises(UserError, match=f"label 1 found in the row of '{TENCH}_0', 0 was expected"):
        opened(path)


def test_a_missing_label_stays_missing(tmp_path: Path):
    images = opened(enriched(tmp_path / "c.parquet", label=None))
    row = rows_of(images)[0]
    assert (row["label"], row["wnid"], row["class_name"]) == (None, TENCH, "tench, Tinca tinca")


def test_a_folder_of_imagenet_is_listed_where_no_captions_are_needed(tmp_path: Path):
    write_train(tmp_path / "imagenet" / "train")
    images = opened(tmp_path / "imagenet", needs_captions=False)
    assert (images.name, images.title, images.captioner) == (
        "imagenet",
        "ImageNet-Instruct",
        None,
    )
    assert images.num_rows == 1_000
    assert rows_of(images, [0]) == [
        {
            "image_id": f"{TENCH}_1",
            "image": f"train/{TENCH}/{TENCH}_1.JPEG",
            "label": 0,
            "wnid": TENCH,
            "class_name": "tench, Tinca tinca",
            "caption": None,
        }
    ]
    above = opened(tmp_path / "imagenet", needs_captions=False, image_root=tmp_path)
    assert rows_of(above, [0])[0]["image"] == f"imagenet/train/{TENCH}/{TENCH}_1.JPEG"
    with pytest.raises(UserError, match="a folder of images found, captions were expected"):
        opened(tmp_path / "imagenet")


def test_a_listing_and_a_table_of_the_same_images_are_alike(tmp_path: Path):
    write_train(tmp_path / "imagenet" / "train")
    listed = opened(tmp_path / "imagenet", needs_captions=False)
    rows = rows_of(listed)
    records = [
        own_record(
            row["image_id"],
            image=row["image"],
            label=row["label"],
            wnid=row["wnid"],
            class_name=row["class_name"],
        )
        for row in rows
    ]
    table = opened(write_own(tmp_path / "c.parquet", records), needs_captions=False)
    assert (table.name, table.fingerprint) == (listed.name, listed.fingerprint)


def test_odd_images_are_kept_and_counted(tmp_path: Path):
    ids = ["n02105855_2933.JPEG", "n01739381_1309.JPEG", "n02077923_14822.JPEG", IDS[0]]
    images = opened(enriched(tmp_path / "c.parquet", ["a dog"] * 4, ids, label=None))
    assert images.num_rows == 4
    assert dict(images.odd) == {"cmyk": 2, "png_named_jpeg": 1}


def test_the_fingerprint_follows_what_rows_take_and_nothing_else(tmp_path: Path):
    def fingerprint(needs_captions: bool = True, **changes: Any) -> str:
        path = write_own(tmp_path / "c.parquet", [own_record("a", **changes), own_record("b")])
        return opened(path, needs_captions=needs_captions).fingerprint

    changes = [
        {"class_name": "ring"},
        {"label": 4},
        {"caption": "a blue ring"},
        {"image": "photos/other.jpg"},
        {"captioner": "another"},
    ]
    assert len({fingerprint(), *(fingerprint(**change) for change in changes)}) == 6
    assert fingerprint(False) == fingerprint(False, caption="a blue ring", captioner="another")
    assert fingerprint(False) != fingerprint(False, class_name="ring")


@pytest.mark.parametrize("split", ["train", "validation"])
def test_the_world_has_as_many_images_as_imagenet_and_a_class_for_each(split):
    images = opened("world", split)
    assert images.num_rows == {"train": 1_281_167, "validation": 50_000}[split]
    assert (images.name, images.captioner) == ("world", "vargpt-sample-world")
    index = world.SPLITS[split][7]
    (row,) = rows_of(images, [7])
    label = world.label_at(index)
    assert label is not None
    assert row == {
        "image_id": world.image_id(index),
        "image": world.image_path(index),
        "label": label,
        "wnid": None,
        "class_name": world.class_name(label),
        "caption": world.caption_at(index),
    }


def test_the_world_as_columns_is_the_world_one_by_one():
    source, images = WorldCaptions(), opened("world")
    at = [0, 1_281_166, 640_000, 5]
    assert [source.image(index)._asdict() for index in at] == [
        {name: row[name] for name in ("image_id", "image", "label", "wnid", "caption")}
        for row in rows_of(images, at)
    ]
    assert {row["caption"] for row in rows_of(opened("world", needs_captions=False), at)} == {None}


def test_validation_of_the_world_has_each_class_fifty_times():
    labels = [
        label
        for table in opened("world", "validation", needs_captions=False).batches()
        for label in table.column("label").to_pylist()
    ]
    assert np.bincount(labels).tolist() == [50] * 1_000


def test_a_table_of_the_worlds_captions_is_called_the_world(tmp_path: Path):
    write_own(tmp_path / "c.parquet", [world_record(1, caption="a red ring on a white background")])
    assert opened(tmp_path).name == "world"
    table = captions_table(world.SPLITS["train"][:40])
    pq.write_table(table, tmp_path / "c.parquet")
    assert rows_of(opened(tmp_path)) == rows_of(opened("world"), list(range(40)))


def test_the_worlds_fingerprint_follows_version_split_and_class_names(monkeypatch):
    first = opened("world").fingerprint
    assert opened("world").fingerprint == first
    others = {opened("world", "validation").fingerprint}
    others.add(opened("world", needs_captions=False).fingerprint)
    monkeypatch.setattr(world_images, "WORLD_VERSION", WORLD_VERSION + 1)
    others.add(opened("world").fingerprint)
    assert len({first, *others}) == 4


def test_neither_parquet_nor_images_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no Parquet file of training captions found"):
        opened(tmp_path, needs_captions=False)
    with pytest.raises(UserError, match="no such file or folder"):
        opened(tmp_path / "no", needs_captions=False)
