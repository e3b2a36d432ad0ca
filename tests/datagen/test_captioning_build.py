"""`datagen caption` on drawn images with tiny models: folders, resuming, parts, bad input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.datagen.command import START, datagen, published
from tests.datagen.odd_pictures import encoded, picture, write_odd_pictures
from tests.datagen.tiny_blip2 import save_tiny_blip2
from vargpt_datagen.captioning.build import CaptionConfig, Captioned, caption
from vargpt_datagen.verify import verify
from vargpt_datagen.world import draw_world
from vargpt_schema import CAPTIONS, UserError

NUM_SCENES = 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_blip2(tmp_path_factory.mktemp("opt") / "tiny-blip2")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn scenes, with odd and damaged pictures beside them."""
    folder = tmp_path_factory.mktemp("images")
    draw_world(folder, NUM_SCENES, 32, lambda *_: None)
    write_odd_pictures(folder / "odd")
    return folder


def configured(images: Path, out: Path, model: Path, **options: Any) -> CaptionConfig:
    usual: dict[str, Any] = {"rows_per_shard": 10, "batch_size": 4, "decoders": 1}
    return CaptionConfig(images=images, out=out, model=str(model), **(usual | options))


@pytest.fixture(scope="module")
def whole(images: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "captions"
    assert caption(configured(images, out, model)) == Captioned(out, 46, 3, 0)
    return out


def test_a_folder_of_captions_is_whole_and_good(whole: Path):
    assert sorted(published(whole)) == [
        "README.md",
        *(f"data/train-0000{number}-of-00005.parquet" for number in range(5)),
        "manifest.json",
        "skipped.jsonl",
    ]
    assert verify(whole) == []
    manifest = json.loads((whole / "manifest.json").read_text())
    assert manifest["rejects_by_reason"] == {"undecodable_image": 2, "empty_file": 1}
    assert manifest["captioning"]["odd_images"] == {"cmyk": 1, "greyscale": 1, "misnamed": 1}
    assert manifest["config"]["dtype"] == "float16"
    skipped = [json.loads(line) for line in (whole / "skipped.jsonl").read_text().splitlines()]
    assert [each["image"] for each in skipped] == [
        "odd/cut_short.jpg",
        "odd/empty.jpg",
        "odd/text.jpg",
    ]
    rows = CAPTIONS.read(whole).to_pylist()
    assert rows[6]["image"] == "world/00000000.png"
    assert rows[6]["captioner"].startswith("tiny-blip2@")
    assert len({row["caption"] for row in rows}) > 20


def test_a_finished_folder_is_left_as_it_is(whole: Path, images: Path, model: Path):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*.parquet")}
    assert caption(configured(images, whole, model)) == Captioned(whole, 46, 3, 0, True)
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*.parquet")} == before


def test_parts_end_in_the_bytes_of_one_process(
    whole: Path, images: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "captions"
    first = caption(configured(images, out, model, part="0/2"))
    assert (first.num_rows + first.num_skipped, first.num_shards_left) == (29, 2)
    assert not (out / "manifest.json").exists()
    monkeypatch.setenv("RANK", "1")  # as torchrun says it
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert caption(configured(images, out, model)) == Captioned(out, 46, 3, 0)
    assert published(out) == published(whole)


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_shards_it_lacks_and_ends_in_the_same_bytes(
    whole: Path, images: Path, model: Path, tmp_path: Path
):
    out = tmp_path / "captions"
    words = ["caption", images, "--out", out, "--model", model, "--rows-per-shard", 10]
    words += ["--batch-size", 4, "--decoders", 1]
    slow = (
        "import time; from vargpt_datagen.captioning import shards\n"
        "whole = shards._captioned\n"
        "def slowly(*args): time.sleep(0.3); return whole(*args)\n"
        "shards._captioned = slowly\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", slow + START, *map(str, words)], stderr=subprocess.DEVNULL
    )
    try:
        until_s = time.monotonic() + 120
        while len(list((out / "data").glob("*.parquet"))) < 2:
            assert process.poll() is None
            assert time.monotonic() < until_s
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in (out / "data").glob("*.parquet")}
    assert 2 <= len(kept) < 5
    (out / "data" / ".train-00004-of-00005.parquet.tmp-1").write_bytes(b"half")  # as a kill leaves
    ran = datagen(*words, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"46 captions, 3 images without -> {out}\n"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert published(out) == published(whole)


def test_another_configuration_is_refused_and_another_batch_size_is_not(
    images: Path, model: Path, tmp_path: Path
):
    out = tmp_path / "captions"
    caption(configured(images, out, model, part="0/5"))
    caption(configured(images, out, model, part="1/5", batch_size=7))
    with pytest.raises(UserError, match="preset: started with 'vl-enriched', now 'lavis'"):
        caption(configured(images, out, model, preset="lavis"))
    with pytest.raises(UserError, match="images_sha256: started with"):
        caption(configured(images / "world", out, model))


def test_a_damaged_shard_is_found(images: Path, model: Path, tmp_path: Path):
    out = tmp_path / "captions"
    caption(configured(images / "odd", out, model))
    (shard,) = (out / "data").glob("*.parquet")
    (out / "skipped.jsonl").write_text("")
    assert verify(out) == [
        "skipped.jsonl: not what the shards say. Remove it and run the command that made it again."
    ]
    shard.write_bytes(shard.read_bytes()[:-10])
    assert any("train-00000-of-00001.parquet: size_bytes is" in each for each in verify(out))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"part": "2/2"}, "--part 2/2: I/N with 0 <= I < N was expected"),
        ({"batch_size": 0}, "--batch-size 0: at least 1 was expected"),
        ({"workers": 2}, "--workers: an option of --engine ray"),
        ({"model": "no/such/model"}, "no such folder, and no name of a repository"),
        ({"revision": "main"}, "is a folder, revisions are of repositories"),
    ],
)
def test_options_that_cannot_be_are_one_line(options, complaint, images, model, tmp_path: Path):
    with pytest.raises(UserError) as caught:
        caption(
            configured(images, tmp_path / "out", model, **options)
            if "model" not in options
            else configured(images, tmp_path / "out", options["model"])
        )
    assert complaint in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_folders_that_are_no_blip2_are_one_line(images: Path, tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    for config, complaint in (
        (None, "no readable config.json"),
        ({"model_type": "llava"}, "a model of type 'llava' found"),
        ({"model_type": "blip-2"}, "no *.safetensors found"),
    ):
        if config:
            (folder / "config.json").write_text(json.dumps(config))
        with pytest.raises(UserError) as caught:
            caption(configured(images, tmp_path / "out", folder))
        assert complaint in str(caught.value)


def test_without_the_extra_the_command_says_what_to_install(images: Path, tmp_path: Path):
    before = (
        "import importlib.util as util; whole = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'torch' else whole(name, *rest)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", before + START, "caption", str(images), "--out", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: datagen caption: the package torch is missing")
    assert "`uv sync --all-packages --all-extras`" in ran.stderr


@pytest.mark.slow
def test_a_repository_in_the_cache_of_the_hub_is_named_by_its_commit(
    images: Path, model: Path, tmp_path: Path
):
    commit = "51572668da0eb669e01a189dc22abe6088589a24"
    repository = tmp_path / "hub" / "models--someone--blip2-small"
    snapshot = repository / "snapshots" / commit
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(model)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    words = ["caption", str(images / "odd"), "--out", "out", "--model", "someone/blip2-small"]
    variables = {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", START, *words, "--decoders", "1"],
        cwd=tmp_path,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    (file,) = (tmp_path / "out" / "data").glob("*.parquet")
    captioners = pq.read_table(file).column("captioner").unique().to_pylist()
    assert captioners == ["someone/blip2-small@51572668da0e"]


def test_names_that_look_like_imagenet_get_its_terms(model: Path, tmp_path: Path):
    folder = tmp_path / "imagenet" / "train" / "n01440764"
    folder.mkdir(parents=True)
    (folder / "n01440764_1.JPEG").write_bytes(encoded(picture(), "JPEG"))
    out = tmp_path / "captions"
    assert caption(configured(tmp_path / "imagenet", out, model)).num_rows == 1
    assert verify(out) == []
    card = (out / "README.md").read_text()
    assert "license_name: imagenet-terms-plus-text" in card
    assert "# ImageNet-Captions" in card
