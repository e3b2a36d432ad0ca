"""Images of rows: from stored codes or from pictures, missing ones told, damaged shards refused."""

import shutil

import pytest
import torch

from tests.model.stages.conftest import NUM_SCENES, SIZE_PX, asks, draws, write_rows
from tests.model.world_pictures import save_pictures
from vargpt_model.encoding.ranks import Rank
from vargpt_model.stage_training import DataPaths, Source, stage_training
from vargpt_model.stage_training.data import stage_data
from vargpt_model.stage_training.examples import Example, Unreadable
from vargpt_model.weights import open_model
from vargpt_schema import UserError
from vargpt_schema.world import SPLITS, image_path

ALONE = Rank(0, 1, 0)


@pytest.fixture(scope="module")
def opened(world):
    return open_model(world.model, device="cpu")


def data_of(opened, tmp_path, rows, image_root=None, codes=None, **changes):
    training = stage_training("3", **{"view": "whole", "batch_size": 6, **changes})
    paths = DataPaths([Source(rows, 1.0)], image_root, codes)
    model, processor = opened
    return stage_data(paths, model, processor, training, ALONE, tmp_path), training


def codes_of(opened, tmp_path, *given, epoch=0, **changes) -> list[list[int]]:
    read, _ = data_of(opened, tmp_path, *given, **changes)
    drawn = []
    for row in range(len(read.rows)):
        example = read.reader.read(row, epoch)
        assert isinstance(example, Example)
        (image,) = example.drawn
        if image.dim() == 3:
            image = opened.model.encode_images(image[None])[0]
        drawn.append(image.tolist())
    return drawn


@pytest.mark.parametrize(("view", "epoch"), [("whole", 0), ("random", 0), ("random", 1)])
def test_training_from_pictures_sees_the_stored_codes(opened, world, tmp_path, view, epoch):
    stored = codes_of(opened, tmp_path, world.draws, None, world.codes, view=view, epoch=epoch)
    anew = codes_of(opened, tmp_path, world.draws, world.images, None, view=view, epoch=epoch)
    assert stored == anew
    assert len({tuple(codes) for codes in stored}) > NUM_SCENES // 2


def test_random_crops_come_one_after_the_other_over_the_epochs(opened, world, tmp_path):
    read, _ = data_of(opened, tmp_path, world.draws, None, world.codes, view="random")
    assert [read.reader.view_at(epoch) for epoch in range(3)] == [
        "random-0",
        "random-1",
        "random-0",
    ]
    unstored, _ = data_of(opened, tmp_path, world.draws, world.images, None, view="random")
    assert unstored.reader.view_at(2) == "random-2"


def test_pictures_and_codes_mix_in_a_batch_in_the_order_of_their_images(opened, world, tmp_path):
    extra = SPLITS["train"][NUM_SCENES]
    save_pictures(tmp_path / "images", NUM_SCENES + 1, SIZE_PX)
    write_rows(tmp_path / "rows", [draws(extra), draws(SPLITS["train"][0]), draws(extra)])
    read, training = data_of(
        opened, tmp_path, tmp_path / "rows", tmp_path / "images", world.codes, batch_size=3
    )
    batches = read.batches(opened.processor, training, ALONE, start=0, end=1)
    (micro,) = next(iter(batches)).micro_batches
    negative = (micro.inputs["image_code_ids"] < 0).all(dim=1)
    assert sorted(negative.tolist()) == [False, True, True]
    with torch.no_grad():
        targets = opened.model(**micro.inputs).code_targets
    stored = read.reader.read(1, 0)
    assert isinstance(stored, Example)
    assert targets[~negative].tolist() == [stored.drawn[0].tolist()]
    picture = read.reader.read(0, 0)
    assert isinstance(picture, Example)
    encoded = opened.model.encode_images(picture.drawn[0][None])[0].tolist()
    assert targets[negative].tolist() == [encoded, encoded]


def test_a_missing_or_damaged_image_is_told_and_the_row_left_out(opened, world, tmp_path):
    root = tmp_path / "images"
    shutil.copytree(world.images, root)
    first, second = SPLITS["train"][:2]
    (root / image_path(first)).unlink()
    (root / image_path(second)).write_bytes(b"no image")
    write_rows(tmp_path / "rows", [asks(first), asks(second), asks(SPLITS["train"][2])])
    read, training = data_of(opened, tmp_path, tmp_path / "rows", root, batch_size=3)
    results = [read.reader.read(row, 0) for row in range(3)]
    assert [isinstance(result, Unreadable) for result in results] == [True, True, False]
    assert [getattr(result, "reason", "") for result in results[:2]] == [
        f"{root / image_path(first)}: no such file found, an image was expected. Check the path.",
        f"{root / image_path(second)}: unreadable image found (cannot identify image file "
        f"{str(root / image_path(second))!r}), a whole JPEG, PNG or WebP file was expected. "
        "Replace or remove it.",
    ]
    step = next(iter(read.batches(opened.processor, training, ALONE, start=0, end=1)))
    assert len(step.unreadable) == 2
    assert [len(micro.sample_ids) for micro in step.micro_batches] == [1]


def test_a_batch_of_unreadable_rows_alone_is_one_position_to_learn_nothing_from(opened, tmp_path):
    (tmp_path / "images").mkdir()
    write_rows(tmp_path / "rows", [asks(0)])
    read, training = data_of(opened, tmp_path, tmp_path / "rows", tmp_path / "images", batch_size=1)
    step = next(iter(read.batches(opened.processor, training, ALONE, start=0, end=1)))
    (micro,) = step.micro_batches
    assert (micro.sample_ids, micro.num_labels, micro.num_drawn) == ([], 0, 0)
    assert micro.inputs["input_ids"].shape == (1, 1)


def test_damaged_shards_of_codes_are_refused_by_name(opened, world, tmp_path):
    codes = tmp_path / "codes"
    shutil.copytree(world.codes, codes)
    (shard,) = (codes / "data").iterdir()
    whole = shard.read_bytes()
    shard.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    fault = f"shard {shard.name} has another sha256 than listed, 1 whole shards were expected"
    with pytest.raises(UserError, match=fault):
        data_of(opened, tmp_path, world.draws, None, codes)
    shard.unlink()
    (codes / "data" / "other.parquet").write_bytes(whole)
    with pytest.raises(UserError, match=f"shard {shard.name} is missing"):
        data_of(opened, tmp_path, world.draws, None, codes)


@pytest.mark.parametrize(
    ("rows", "image_root", "codes", "changes", "fault"),
    [
        ("draws", None, None, {}, "rows with images found, and neither --image-root nor"),
        ("draws", "nowhere", None, {}, "no such folder found, the folder that holds the images"),
        ("draws", None, "codes", {"view": "centre"}, "views random, whole found, view=centre was"),
        ("draws", None, "codes", {"max_positions": 20}, "24 rows found, none fits 20 positions"),
        ("images", None, "codes", {}, "no Parquet file found, a table `instruct` was expected"),
        ("codes", None, "codes", {}, "table 'image_codes' found, 'instruct' expected"),
    ],
)
def test_data_that_cannot_train_are_refused(
    opened, world, tmp_path, rows, image_root, codes, changes, fault
):
    with pytest.raises(UserError, match=fault):
        data_of(
            opened,
            tmp_path,
            getattr(world, rows),
            tmp_path / image_root if image_root else None,
            codes and world.codes,
            **changes,
        )


def test_codes_of_another_image_tokenizer_are_refused(world, tmp_path):
    other = open_model(world.model, device="cpu")
    with torch.no_grad():
        other.model.vae_local.quantize.embedding.weight.add_(1)
    with pytest.raises(
        UserError, match=r"codes of image tokenizer [0-9a-f]{12} found, those of the model's"
    ):
        data_of(other, tmp_path, world.draws, None, world.codes)
