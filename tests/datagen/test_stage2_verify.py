"""`verify` of a stage-2 build finds what was changed in its rows, rejects and counts."""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datagen.stage2_inputs import llava_record, said, write_inputs
from vargpt_datagen.stage2.build import Stage2Config, build_stage2
from vargpt_datagen.stage2.report import make_stage2_report
from vargpt_datagen.stage2.verify import stage2_faults
from vargpt_schema import INSTRUCT, REJECTS, UserError


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    records: list[Any] = [llava_record(number) for number in range(136)]
    records[0]["conversations"] = said("No picture here?", "None.")
    write_inputs(folder, records)
    build_stage2(config_of(folder))
    return folder / "out"


def config_of(folder: Path) -> Stage2Config:
    return Stage2Config(
        llava=folder / "llava.json",
        onevision=folder / "onevision",
        instruct=folder / "130k",
        image_root=folder / "images",
        weights=folder / "weights.tsv",
        rows=240,
        out=folder / "out",
    )


@pytest.fixture
def spoilt(build: Path, tmp_path: Path) -> Path:
    """A copy of the shards for a test to spoil."""
    for part in ("data", "rejects"):
        (tmp_path / part).mkdir()
        for path in (build / part).iterdir():
            (tmp_path / part / path.name).write_bytes(path.read_bytes())
    (tmp_path / "manifest.json").write_bytes((build / "manifest.json").read_bytes())
    return tmp_path


def faults(folder: Path) -> list[str]:
    return stage2_faults(folder, json.loads((folder / "manifest.json").read_text()))


def change(folder: Path, number: int, **values: Any) -> None:
    """Change columns of one row, past the writer's own rules."""
    (shard,) = (folder / "data").iterdir()
    rows = pq.read_table(shard).to_pylist()
    rows[number] |= values
    pq.write_table(pa.Table.from_pylist(rows, INSTRUCT.schema), shard)


def first_row(folder: Path, source: str) -> tuple[int, Mapping[str, Any]]:
    (shard,) = (folder / "data").iterdir()
    rows = pq.read_table(shard).to_pylist()
    return next((at, row) for at, row in enumerate(rows) if row["source"].startswith(source))


def test_a_good_build_has_no_fault(build: Path, spoilt: Path):
    assert faults(build) == []
    assert faults(spoilt) == []


@pytest.mark.parametrize(
    ("source", "values", "rule"),
    [
        ("llava/coco", {"caption": "a cat"}, "caption is filled, nothing expected"),
        ("llava/coco", {"generator": "m"}, "generator is filled"),
        ("llava/coco", {"image_id": None}, "no image_id, its record's id expected"),
        ("llava/coco", {"source": "llava/other"}, "its source is none of the manifest's"),
        ("llava/coco", {"sample_id": "0" * 16}, "sample_id 0000000000000000 does not belong"),
        ("llava/coco", {"images": []}, "<image> and <image_gen> together must number as many"),
        ("llava/coco", {"images": ["../x.jpg"]}, "image paths must be relative POSIX paths"),
        (
            "llava/coco",
            {"images": [f"onevision/a/{'0' * 64}.jpg"]},
            "OneVision's pictures are onevision/SUBSET/SHA256.jpg, no others are",
        ),
        (
            "onevision/iiit5k",
            {"images": ["coco/a.jpg"]},
            "OneVision's pictures are onevision/SUBSET/SHA256.jpg",
        ),
        ("llava/coco", {"task": "generation"}, "an imported row draws no picture"),
        ("llava/coco", {"method": "llm"}, "no caption, the one its text was written from"),
        ("world", {"generator": None}, "no generator, the name of a model expected"),
        ("world", {"caption": "a large green star"}, "its text breaks the rule"),
    ],
)
def test_a_changed_row_is_found_by_its_number(source, values, rule, spoilt: Path):
    number, _ = first_row(spoilt, source)
    change(spoilt, number, **values)
    found = faults(spoilt)
    assert any(fault.startswith(f"row {number}: ") and rule in fault for fault in found), found
    assert found[0].startswith("data: 1 of 239 rows have a fault. Delete manifest.json")


def test_typed_tokens_that_were_put_back_are_found(spoilt: Path):
    number, row = first_row(spoilt, "onevision/magpie")
    turns = [dict(turn) for turn in row["messages"]]
    turns[0]["content"] += " <image>"
    turns[1]["content"] += "</s>"
    change(spoilt, number, messages=turns)
    text = "\n".join(faults(spoilt))
    assert "turns must hold text without </s>" in text
    assert "together must number as many as images" in text


def test_a_lost_row_is_missed_in_every_count(spoilt: Path):
    (shard,) = (spoilt / "data").iterdir()
    INSTRUCT.write(pq.read_table(shard).slice(1), shard)
    found = faults(spoilt)
    for name in ("mixture", "categories", "tasks", "counts.rows", "counts.short_rows"):
        assert any(fault.startswith(f"manifest.json: {name} is") for fault in found), name


def test_lost_or_foreign_rejects_are_found(spoilt: Path):
    (path,) = (spoilt / "rejects").iterdir()
    rejects = pq.read_table(path).to_pylist()
    rejects[0]["request_sha256"] = "0" * 64
    REJECTS.write(pa.Table.from_pylist(rejects, REJECTS.schema), path)
    assert faults(spoilt)[0].startswith("reject 0: a request is named, none expected")
    path.unlink()
    assert any("counts.rejects is 1, the tables hold 0" in fault for fault in faults(spoilt))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("mixture", [{"source": "llava/coco"}]),
        ("categories", {"General": 1}),
        ("tasks", None),
        ("inputs", {"onevision": {}}),
        ("overlap", {"same_text": -1}),
        ("counts", {"rows": 1, "rejects": 0}),
    ],
)
def test_a_damaged_manifest_is_named_and_mended(part, value, build: Path, tmp_path: Path):
    folder = tmp_path / "out"
    shutil.copytree(build, folder, ignore=shutil.ignore_patterns(".work"))
    manifest = json.loads((build / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {part: value}))
    (found,) = faults(folder)
    assert found.startswith(f"manifest.json: damaged ({part} is not what a stage-2 build")
    with pytest.raises(UserError, match="damaged"):
        make_stage2_report(folder)
    build_stage2(dataclasses.replace(config_of(build.parent), out=folder))
    assert json.loads((folder / "manifest.json").read_text()) == manifest


def test_a_damaged_shard_is_named(spoilt: Path):
    (shard,) = (spoilt / "data").iterdir()
    shard.write_bytes(shard.read_bytes()[:-20])
    (found,) = faults(spoilt)
    assert "not a readable Parquet file" in found
