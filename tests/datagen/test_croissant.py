"""Croissant metadata: mlcroissant finds no fault and reads a build's rows by it, offline."""

import hashlib
import json
import os
import shutil
import socket
from itertools import islice
from pathlib import Path
from typing import Any

import mlcroissant
import pytest

from vargpt_datagen.build_130k import Build130kConfig, build_130k
from vargpt_datagen.export import export
from vargpt_datagen.export.croissant import croissant_text
from vargpt_datagen.export.croissant_columns import COLUMN_MEANINGS
from vargpt_schema import EVAL_PROMPTS, INSTRUCT, EvalPromptRecord, UserError


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("croissant") / "build"
    build_130k(Build130kConfig(out=out, rows=120))
    os.utime(out / "manifest.json", (1_700_000_000, 1_700_000_000))
    return out


@pytest.fixture
def build(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "build"))


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a description was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def plain(value: Any) -> Any:
    """A record as mlcroissant gives it, keyed by column and with text for bytes."""
    if isinstance(value, dict):
        return {name.rpartition("/")[2]: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


def test_mlcroissant_finds_no_fault_and_reads_the_rows(build: Path):
    export(build, "croissant", build / "croissant.json")
    dataset = mlcroissant.Dataset(build / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert issues.errors == set()
    # The world's card declares no licence, and neither does this.
    assert [warning for warning in issues.warnings if "license" not in warning] == []
    rows = INSTRUCT.read(build).slice(0, 5).to_pylist()
    assert [plain(record) for record in islice(dataset.records("instruct"), 5)] == rows
    assert sum(1 for _ in dataset.records("instruct")) == 120


def test_it_says_what_the_card_and_the_files_say(build: Path):
    metadata = json.loads(croissant_text(build))
    (shard,) = (build / "data").iterdir()
    assert metadata["name"] == "Sample-World-Instruct-130K"
    assert metadata["description"].startswith("Made from the sample world, not from ImageNet. The")
    assert metadata["datePublished"] == "2023-11-14"
    assert metadata["distribution"][0] == {
        "@type": "cr:FileObject",
        "@id": "data/train-00000-of-00001.parquet",
        "name": "train-00000-of-00001.parquet",
        "contentUrl": "data/train-00000-of-00001.parquet",
        "contentSize": f"{shard.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": hashlib.sha256(shard.read_bytes()).hexdigest(),
    }
    assert metadata["rai:dataLimitations"] == [
        "The pictures are not included; datagen world --for DIR --size 64 draws them.",
        "Checks are rules over words. They find leaked tokens, drift and copying; they cannot see "
        "the picture.",
    ]
    assert metadata["rai:machineAnnotationTools"] == ["vargpt-sample-world", "offline-writer-1"]
    assert "license" not in metadata
    assert "url" not in metadata


def test_every_column_of_both_tables_is_explained():
    names = {*INSTRUCT.schema.names, *EVAL_PROMPTS.schema.names}
    assert names == COLUMN_MEANINGS.keys()


def test_the_licence_is_the_cards(build: Path):
    card = (build / "README.md").read_text("utf-8")
    link = "license: other\nlicense_link: https://image-net.org/download.php\n"
    (build / "README.md").write_text(card.replace("---\n", f"---\n{link}", 1), "utf-8")
    metadata = json.loads(croissant_text(build, url="https://hub.example.org/me", creator="me"))
    assert metadata["license"] == "https://image-net.org/download.php"
    assert metadata["url"] == "https://hub.example.org/me"
    (build / "croissant.json").write_text(json.dumps(metadata), "utf-8")
    issues = mlcroissant.Dataset(build / "croissant.json").metadata.ctx.issues
    assert issues.errors == set()
    assert issues.warnings == set()


def test_evaluation_prompts_are_described_by_their_own_columns(build: Path):
    (shard,) = (build / "data").iterdir()
    record = EvalPromptRecord(
        prompt_id="p0",
        prompt="I need a photo of a dog.",
        caption="a dog",
        image_id="ILSVRC2012_val_00000001",
        split="validation",
        label=3,
        wnid=None,
        source="imagenet",
        prompt_template_id=None,
    )
    EVAL_PROMPTS.write([record], shard)
    export(build, "croissant", build / "croissant.json")
    dataset = mlcroissant.Dataset(build / "croissant.json")
    (found,) = dataset.records("eval_prompts")
    assert plain(found) == EVAL_PROMPTS.read(build).to_pylist()[0]


def test_a_folder_without_manifest_or_card_is_refused(build: Path):
    (build / "README.md").write_text("no front matter")
    with pytest.raises(UserError, match="no readable card"):
        croissant_text(build)
    (build / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"manifest\.json: missing"):
        croissant_text(build)
