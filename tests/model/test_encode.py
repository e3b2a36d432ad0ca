"""`vargpt encode`: every image once, in shards, resumable, shared among ranks."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.model.vargpt_command import environment, run, started
from tests.model.world_pictures import SMALL, save_pictures
from vargpt_model import ImageTokenizer
from vargpt_model.encoding import EncodeConfig, encode_images
from vargpt_model.encoding.ranks import rank_from_environment
from vargpt_model.image_tokenizer_folder import open_image_tokenizer, save_image_tokenizer
from vargpt_model.pictures import pictures_in
from vargpt_model.training.image_batches import ImageBatches
from vargpt_schema.errors import UserError
from vargpt_schema.image_codes import read_image_codes

NUM_IMAGES = 10
CROPS = EncodeConfig(num_random_crops=2, rows_per_shard=9, batch_size=4)  # 3 images a shard


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Larger than the model's 16 px, so that crops differ."""
    folder = tmp_path_factory.mktemp("images")
    save_pictures(folder, NUM_IMAGES, size_px=40)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    tokenizer = ImageTokenizer(SMALL)
    with torch.no_grad():
        tokenizer.quant_conv.weight.mul_(20)  # features far apart, so that codes differ
    save_image_tokenizer(tokenizer, folder)
    return folder


def rows(out: Path) -> dict[tuple[str, str], list[int]]:
    table, _ = read_image_codes(out, SMALL.patch_nums)
    return {(row["image"], row["crop"]): row["code_ids"] for row in table.to_pylist()}


def test_every_image_has_every_crop_once_in_order_of_names(tmp_path, images, model):
    encoded = encode_images(model, pictures_in(images), tmp_path, CROPS)
    assert encoded[:4] == (10, 30, 0, 0)
    assert list(rows(tmp_path)) == [
        (f"world/{index:08d}.png", crop)
        for index in range(NUM_IMAGES)
        for crop in ("centre", "random-0", "random-1")
    ]
    assert len({tuple(codes) for codes in rows(tmp_path).values()}) > 10
    _, config = read_image_codes(tmp_path, SMALL.patch_nums)
    assert (config.vocab_size, config.image_size_px, len(config.tokenizer_sha256)) == (16, 16, 64)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [shard["rows"] for shard in manifest["shards"].values()] == [9, 9, 9, 3]


def test_training_on_the_fly_sees_the_same_codes(tmp_path, images, model):
    pictures = pictures_in(images)
    encode_images(model, pictures, tmp_path, CROPS)
    stored = rows(tmp_path)
    batches = ImageBatches(
        pictures,
        view="random",
        image_size_px=16,
        batch_size=7,
        seed=0,
        device=torch.device("cpu"),
        warn=print,
    )
    tokenizer = open_image_tokenizer(model)
    seen = 0
    for step in range(2):  # 14 images: the first epoch's ten and four of the second
        batch = batches.at(step)
        codes = torch.cat(tokenizer.encode(batch.pixels), dim=1).tolist()
        for place, (name, row) in enumerate(zip(batch.names, codes, strict=True)):
            epoch = (step * 7 + place) // NUM_IMAGES
            assert row == stored[name, f"random-{epoch}"]
            seen += 1
    assert seen == 14


def test_batch_size_does_not_change_codes(tmp_path, images, model):
    pictures = pictures_in(images)
    encode_images(model, pictures, tmp_path / "a", EncodeConfig(batch_size=1))
    encode_images(model, pictures, tmp_path / "b", EncodeConfig(batch_size=10))
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_finished_shards_are_not_made_again(tmp_path, images, model):
    pictures = pictures_in(images)
    encode_images(model, pictures, tmp_path, CROPS)
    before = rows(tmp_path)
    shards = sorted((tmp_path / "data").iterdir())
    kept = shards[0].stat().st_mtime_ns
    shards[1].unlink()
    encoded = encode_images(model, pictures, tmp_path, CROPS)
    assert encoded.num_rows == 30
    assert shards[0].stat().st_mtime_ns == kept
    assert rows(tmp_path) == before


def test_unreadable_images_are_listed_and_counted(tmp_path, images, model):
    root = tmp_path / "images"
    shutil.copytree(images, root)
    (root / "world/00000001.png").write_bytes(b"no image")
    Image.new("F", (20, 20)).save(root / "world/00000004.tiff")
    (root / "world/00000004.tiff").rename(root / "world/00000004.png")
    out = tmp_path / "out"
    for _ in range(2):  # a second call knows them too
        encoded = encode_images(model, pictures_in(root), out, CROPS)
        assert encoded[:4] == (8, 24, 2, 0)
    listed = [
        json.loads(line)["image"]
        for path in sorted((out / "skipped").iterdir())
        for line in path.read_text().splitlines()
    ]
    assert listed == ["world/00000001.png", "world/00000004.png"]


def test_links_that_leave_the_image_root_are_skipped(tmp_path, images, model):
    root = tmp_path / "images"
    save_pictures(root, 2, size_px=40)
    (root / "zz.png").symlink_to(images / "world/00000003.png")
    encoded = encode_images(model, pictures_in(root), tmp_path / "out", EncodeConfig())
    assert (encoded.num_images, encoded.num_skipped) == (2, 1)
    assert "leads outside the image root" in (tmp_path / "out/skipped/00000.jsonl").read_text()


def test_ranks_make_different_shards_and_together_all(tmp_path, images, model, monkeypatch):
    pictures = pictures_in(images)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    half = encode_images(model, pictures, tmp_path / "shared", CROPS)
    assert (half.num_shards_left, half.num_rows) == (2, 12)
    assert not (tmp_path / "shared/manifest.json").exists()
    monkeypatch.setenv("RANK", "0")
    assert encode_images(model, pictures, tmp_path / "shared", CROPS).num_rows == 30
    monkeypatch.delenv("RANK")
    monkeypatch.delenv("WORLD_SIZE")
    encode_images(model, pictures, tmp_path / "alone", CROPS)
    for shard in sorted((tmp_path / "alone/data").iterdir()):
        assert shard.read_bytes() == (tmp_path / "shared/data" / shard.name).read_bytes()


@pytest.mark.parametrize(("rank", "world_size"), [("2", "2"), ("-1", "2"), ("x", "2"), ("0", "")])
def test_nonsense_ranks_are_refused(monkeypatch, rank, world_size):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", world_size)
    with pytest.raises(UserError, match="numbers with 0 <= RANK < WORLD_SIZE"):
        rank_from_environment()


def test_other_model_on_a_started_folder_is_refused(tmp_path, images, model):
    encode_images(model, pictures_in(images), tmp_path, CROPS)
    other = tmp_path / "other-model"
    tokenizer = open_image_tokenizer(model)
    with torch.no_grad():
        tokenizer.quantize.embedding.weight.add_(1)
    save_image_tokenizer(tokenizer, other)
    with pytest.raises(UserError, match="tokenizer_sha256: started with"):
        encode_images(other, pictures_in(images), tmp_path, CROPS)


def test_folder_that_holds_no_tokenizer_is_one_line(tmp_path, images):
    with pytest.raises(UserError, match=r"config\.json: not the configuration of an image token"):
        encode_images(images, pictures_in(images), tmp_path, CROPS)


@pytest.mark.slow
def test_killed_and_resumed_equals_undisturbed(tmp_path, model):
    root = tmp_path / "images"
    save_pictures(root, 400, size_px=40)
    words = ["encode", "--model", model, "--images", root, "--rows-per-shard", 20]
    undisturbed = run(*words, "--out", tmp_path / "whole")
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert undisturbed.stdout == f"400 rows of 400 images, 0 skipped -> {tmp_path}/whole\n"
    killed = tmp_path / "killed"
    for signal_number in (signal.SIGKILL, signal.SIGTERM):
        before = len(list((killed / "data").glob("*.parquet")))
        process = started(*words, "--out", killed)
        while len(list((killed / "data").glob("*.parquet"))) < before + 3:
            assert process.poll() is None, process.communicate()
        process.send_signal(signal_number)
        output, errors = process.communicate(timeout=60)
        if signal_number == signal.SIGTERM:
            assert process.returncode == 0
            assert "shards left" in output
            assert "Continue with: vargpt encode" in errors
    assert run(*words, "--out", killed).returncode == 0
    for shard in sorted((tmp_path / "whole/data").iterdir()):
        assert shard.read_bytes() == (killed / "data" / shard.name).read_bytes()


@pytest.mark.slow
def test_torchrun_shares_the_work_out(tmp_path, images, model):
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *("--no-python", str(Path(sys.executable).with_name("vargpt"))),
            *("encode", "--model", str(model), "--images", str(images)),
            *("--rows-per-shard", "3", "--out", str(tmp_path / "out")),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    assert "encode, rank 0 of 2: 6/6" in ran.stderr
    assert "encode, rank 1 of 2: 4/4" in ran.stderr
    assert len(rows(tmp_path / "out")) == NUM_IMAGES
    assert (tmp_path / "out/manifest.json").exists()
