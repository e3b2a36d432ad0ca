"""`datagen build-stage2` from the sample world: every part, in the layouts of the real sets."""

import json
from pathlib import Path

import pytest

from tests.datagen.command import datagen
from vargpt_datagen.stage2.verify import stage2_faults
from vargpt_schema import INSTRUCT


@pytest.fixture(scope="module")
def world_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample world's build with no more than --out and fewer rows."""
    cwd = tmp_path_factory.mktemp("world")
    ran = datagen("build-stage2", "--rows", 1_200, cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith(" rejects -> stage2-world\n")
    return cwd / "stage2-world"


def test_the_world_gives_every_part_in_the_papers_shares(world_build: Path):
    manifest = json.loads((world_build / "manifest.json").read_text())
    assert manifest["name"] == "Sample-World-Instruct-Stage2"
    assert manifest["command"] == "datagen build-stage2 --rows 1200"
    assert {part: each["rows"] for part, each in manifest["parts"].items()} == {
        "llava": 678,
        "onevision": 512,
        "language": 5,
        "instruct": 5,
    }
    assert {"image_count", "undecodable_image"} <= set(manifest["rejects_by_reason"])
    assert manifest["changes"]["escaped"] >= 1
    assert manifest["overlap"]["same_image_and_request"] >= 1
    assert stage2_faults(world_build, manifest) == []


def test_the_worlds_rows_have_their_pictures(world_build: Path):
    for row in INSTRUCT.records(world_build):
        for image in row.images:
            assert (world_build / "images" / image).is_file()


def test_the_worlds_copies_have_the_layouts_of_the_real_sets(world_build: Path, tmp_path: Path):
    from datasets import load_dataset

    records = json.loads((world_build / "inputs" / "llava_v1_5_mix665k.json").read_text())
    assert {record["image"].partition("/")[0] for record in records if "image" in record} == {
        "coco",
        "gqa",
        "ocr_vqa",
        "textvqa",
        "vg",
    }
    folder = world_build / "inputs" / "onevision" / "ai2d(gpt4v)"
    loaded = load_dataset("parquet", data_dir=str(folder), cache_dir=str(tmp_path), split="train")
    assert loaded.column_names == ["id", "image", "conversations", "data_source"]
    assert loaded[0]["image"].size == (64, 64)
    assert loaded[0]["conversations"][0]["from"] == "human"


@pytest.mark.slow
def test_the_world_may_grow_within_its_copies_and_not_beyond(tmp_path: Path):
    for rows in (100, 900):
        ran = datagen("build-stage2", "--rows", rows, "--out", "out", cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
    ran = datagen("build-stage2", "--rows", 1_500, "--out", "out", cwd=tmp_path)
    assert ran.returncode == 2
    assert "out/inputs: copies for 1,000 rows found, --rows 1,500 was asked for" in ran.stderr
