"""`datagen build-130k` from end to end, as real processes."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.datagen.command import datagen, published
from tests.datagen.enriched import paper_captions, write_enriched
from vargpt_datagen.build_130k import Build130kConfig, build_130k
from vargpt_datagen.verify import verify
from vargpt_schema import INSTRUCT, REJECTS, SEEDS, SeedRecord


@pytest.fixture(scope="module")
def world_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 rows of the world, built by the command in its default folder."""
    cwd = tmp_path_factory.mktemp("cwd")
    ran = datagen("build-130k", "--rows", 600, cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith("building in 130k-world\n")
    assert ran.stdout.endswith("rejects -> 130k-world\n")
    return cwd / "130k-world"


def test_the_folder_holds_what_the_design_names(world_build: Path):
    assert {path.name for path in world_build.iterdir()} == {
        ".work",
        "README.md",
        "data",
        "manifest.json",
        "quality.json",
        "rejects",
        "report.html",
    }
    assert [path.name for path in (world_build / "data").iterdir()] == [
        "train-00000-of-00001.parquet"
    ]


def test_verify_passes_and_every_row_is_told_apart(world_build: Path):
    assert verify(world_build) == []
    rows = INSTRUCT.read(world_build)
    assert rows.num_rows == 600
    assert len(set(rows.column("image_id").to_pylist())) == 600


def test_rows_say_where_they_come_from(world_build: Path):
    row = next(INSTRUCT.records(world_build))
    assert row.images == (f"world/{(row.image_id or '').removeprefix('world-')}.png",)
    assert (row.task, row.source, row.method, row.wnid) == ("generation", "world", "llm", None)
    assert row.generator == "offline-writer-1"
    assert len(row.shot_ids) == 4
    assert all("@world-" in shot for shot in row.shot_ids)
    assert len(row.request_sha256 or "") == 64
    assert row.messages[1].content.endswith(".<image_gen>")


def test_the_manifest_says_what_made_it_and_never_imagenet(world_build: Path):
    manifest = json.loads((world_build / "manifest.json").read_text())
    assert manifest["name"] == "Sample-World-Instruct-130K"
    assert manifest["command"] == "datagen build-130k --rows 600"
    assert manifest["counts"]["rows"] == 600
    assert sum(manifest["rejects_by_reason"].values()) == manifest["counts"]["rejects"]
    assert manifest["seeds"]["generators"] == ["vargpt-toolkit"]
    card = (world_build / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["pretty_name"] == "Sample-World-Instruct-130K"
    assert front["dataset_info"]["splits"][0]["num_examples"] == 600
    assert "hand-written seeds" in card
    assert "No\nlanguage model was called" in card


def test_the_hub_library_reads_the_card(world_build: Path):
    from huggingface_hub import DatasetCard

    data = DatasetCard.load(world_build / "README.md").data.to_dict()
    assert data["configs"][0]["data_files"] == [{"split": "train", "path": "data/train-*.parquet"}]


def test_datasets_loads_the_folder(world_build: Path, tmp_path: Path):
    from datasets import load_dataset

    rows = load_dataset(str(world_build), split="train", cache_dir=str(tmp_path))
    assert rows.num_rows == 600
    assert rows[0]["messages"][0]["role"] == "user"


def test_the_same_command_again_does_nothing(world_build: Path):
    before = published(world_build)
    ran = datagen("build-130k", "--rows", 600, cwd=world_build.parent)
    assert ran.returncode == 0
    assert ran.stdout == "600 rows were published already, nothing to do -> 130k-world\n"
    assert published(world_build) == before


def test_rows_raised_give_what_one_build_gives(tmp_path: Path):
    for rows in (150, 400):
        assert (
            datagen("build-130k", "--rows", rows, "--out", "raised", cwd=tmp_path).returncode == 0
        )
    assert datagen("build-130k", "--rows", 400, "--out", "fresh", cwd=tmp_path).returncode == 0
    assert published(tmp_path / "raised") == published(tmp_path / "fresh")


def test_a_lost_shard_and_a_deleted_work_folder_are_made_good(tmp_path: Path):
    config = Build130kConfig(out=tmp_path / "build", rows=100)
    build_130k(config)
    before = published(tmp_path / "build")
    (tmp_path / "build" / "data" / "train-00000-of-00001.parquet").unlink()
    for path in (tmp_path / "build" / ".work").iterdir():
        path.unlink()
    assert not build_130k(config).was_finished
    assert published(tmp_path / "build") == before


@pytest.mark.parametrize("damage", ["card gone", "card changed", "byte flipped", "no text"])
def test_the_same_command_mends_what_was_damaged(damage, tmp_path: Path):
    config = Build130kConfig(out=tmp_path / "build", rows=100)
    build_130k(config)
    before = published(tmp_path / "build")
    card = tmp_path / "build" / "README.md"
    if damage == "card gone":
        card.unlink()
    elif damage == "card changed":
        card.write_text("another card")
    elif damage == "no text":
        card.write_bytes(b"\xff\xfe")
    else:
        shard = tmp_path / "build" / "data" / "train-00000-of-00001.parquet"
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        shard.write_bytes(content)
    assert not build_130k(config).was_finished
    assert published(tmp_path / "build") == before


def test_the_captions_the_paper_prints_become_rows_about_them(tmp_path: Path):
    path = write_enriched(tmp_path / "captions.parquet", paper_captions())
    ran = datagen("build-130k", "--captions", path, "--rows", 27, "--out", "out", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    rows = list(INSTRUCT.records(tmp_path / "out"))
    assert {row.caption for row in rows} <= set(paper_captions())
    assert {row.source for row in rows} == {"imagenet"}
    assert all((row.wnid or "").startswith("n014") for row in rows)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["name"] == "ImageNet-Instruct-130K"
    assert verify(tmp_path / "out") == []


def test_shots_without_pairs_and_fixed_sets_change_what_is_asked(tmp_path: Path):
    ids = {}
    for name, options in {
        "pairs": [],
        "captions": ["--shots", "captions"],
        "sets": ["--shot-sets", 3],
    }.items():
        ran = datagen("build-130k", "--rows", 50, "--out", name, *options, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        ids[name] = [row.shot_ids for row in INSTRUCT.records(tmp_path / name)]
    assert len(set(ids["pairs"])) == 50
    assert all(shot.startswith("world-") for shots in ids["captions"] for shot in shots)
    assert len(set(ids["sets"])) == 3


def test_seeds_of_a_table_are_used_and_named(tmp_path: Path):
    seeds = [
        SeedRecord(seed_id=f"mine-{kind}", kind=kind, text=f"Keep the {kind} short.", generator="m")
        for kind in ("prompt", "caption", "answer")
    ]
    SEEDS.write(seeds, tmp_path / "seeds" / "seeds.parquet")
    ran = datagen("build-130k", "--rows", 20, "--seeds", "seeds", "--out", "out", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert {row.prompt_seed_id for row in INSTRUCT.records(tmp_path / "out")} == {"mine-prompt"}
    assert "hand-written" not in (tmp_path / "out" / "README.md").read_text()


def test_rejects_keep_the_raw_reply_and_the_reason(tmp_path: Path):
    build_130k(Build130kConfig(out=tmp_path / "build", rows=2_000))
    rejects = list(REJECTS.records(tmp_path / "build" / "rejects"))
    assert rejects
    assert all(reject.reason and reject.generator == "offline-writer-1" for reject in rejects)
    used = set(INSTRUCT.read(tmp_path / "build").column("image_id").to_pylist())
    assert not used & {reject.image_id for reject in rejects}


def test_a_config_file_sets_options_and_the_command_line_wins(tmp_path: Path):
    (tmp_path / "c.toml").write_text("rows = 30\nseed = 5\nshot-sets = 2\n")
    ran = datagen("build-130k", "--config", "c.toml", "--rows", 20, "--out", "out", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    config = json.loads((tmp_path / "out" / "manifest.json").read_text())["config"]
    assert (config["rows"], config["seed"], config["shot_sets"]) == (20, 5, 2)


def test_dry_run_shows_a_request_and_its_cost_and_writes_nothing(tmp_path: Path):
    ran = datagen("build-130k", "--dry-run", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "You write training conversations" in ran.stdout
    assert "rows 130,000; about 136,500 calls" in ran.stdout
    assert "deepseek-flash" in ran.stdout
    assert "--shot-sets 256:" in ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_many_shards_hold_the_rows_in_order(tmp_path: Path):
    from vargpt_datagen import build_130k as module
    from vargpt_datagen.asking import RowsToWrite, asked_rows
    from vargpt_datagen.folder import BuildFolder
    from vargpt_datagen.publishing import publish

    config = Build130kConfig(out=tmp_path / "build", rows=100)
    build_130k(config)
    whole = INSTRUCT.read(tmp_path / "build")
    inputs = module.open_inputs(config)
    folder = BuildFolder(tmp_path / "build")
    rows = RowsToWrite(inputs.plan, inputs.requests, config.rows, inputs.endpoint, config.writer)
    with asked_rows(rows, folder) as asked:
        files = publish(
            folder, asked.written, plan=inputs.plan, requests=inputs.requests, rows_per_shard=40
        )
    assert [file["path"] for file in files[:3]] == [
        f"data/train-0000{number}-of-00003.parquet" for number in range(3)
    ]
    assert [pq.read_metadata(folder.root / str(file["path"])).num_rows for file in files[:3]] == [
        40,
        40,
        20,
    ]
    assert INSTRUCT.read(tmp_path / "build").equals(whole)
