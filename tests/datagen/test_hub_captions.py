"""Captions of the hub: fetched without images, kept, and read again without a network."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datagen.enriched import ENRICHED, write_enriched
from tests.datagen.fake_hub import fake_hub
from vargpt_datagen.caption_parquet import ParquetCaptions
from vargpt_datagen.hub_captions import REPOSITORY, REVISION, hub_captions
from vargpt_datagen.image_columns import open_images
from vargpt_schema import CAPTIONS, UserError

TENCH = "n01440764"


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """The data folder of a repository: two files to train on, one to validate with."""
    data = tmp_path / "hub" / "data"
    for number, caption in enumerate(["a dog\n", "a fish in a bowl of\n"]):
        write_enriched(
            data / f"train-{number:05d}-of-00002.parquet", [caption], [f"{TENCH}_{number}.JPEG"]
        )
    ids = ["ILSVRC2012_val_00000007.JPEG"]
    write_enriched(data / "validation-00000-of-00001.parquet", ["a cat"], ids)
    return data


def fetch(split, source: Path | str, tmp_path: Path) -> Path:
    return hub_captions(split, source=str(source), cache=tmp_path / "cache")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_fetched_is_a_captions_table(hub: Path, tmp_path: Path):
    cache = fetch("train", hub, tmp_path)
    assert names(cache) == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    records = list(CAPTIONS.records(cache))
    assert [record.caption_raw for record in records] == ["a dog\n", "a fish in a bowl of\n"]
    first, second = records
    assert (first.image_id, first.image) == (f"{TENCH}_0", f"train/{TENCH}/{TENCH}_0.JPEG")
    assert (first.label, first.wnid, first.class_name) == (0, TENCH, "tench, Tinca tinca")
    assert (first.split, first.caption, first.quality_flags) == ("train", "a dog", ())
    assert first.captioner.startswith("Salesforce/blip2-opt-2.7b")
    assert (second.caption, second.quality_flags) == ("a fish in a bowl of", ("caption_cut_off",))


def test_each_split_is_fetched_by_itself(hub: Path, tmp_path: Path):
    cache = fetch("validation", hub, tmp_path)
    assert names(cache) == ["validation-00000-of-00001.parquet"]
    (record,) = CAPTIONS.records(cache)
    assert (record.image, record.split) == ("val/ILSVRC2012_val_00000007.JPEG", "validation")
    fetch("train", hub, tmp_path)
    assert open_images(str(cache), split="train", needs_captions=False).num_rows == 2
    assert open_images(str(cache), split="validation", needs_captions=True).num_rows == 1


def test_a_build_from_the_hub_is_the_build_from_a_local_copy(hub: Path, tmp_path: Path):
    fetched = ParquetCaptions(fetch("train", hub, tmp_path))
    local = ParquetCaptions(hub)
    assert fetched.fingerprint == local.fingerprint
    assert dict(fetched.dropped) == dict(local.dropped) == {"cut_off": 1}
    assert (fetched.name, fetched.captioner) == ("imagenet", local.captioner)


@pytest.mark.parametrize("form", ["list of structs", "struct of lists", "null"])
def test_issues_become_quality_flags_in_both_forms(form, hub: Path, tmp_path: Path):
    issue = pa.struct([("confidence", pa.float32()), ("issue_type", pa.string())])
    lists = pa.struct(
        [("confidence", pa.list_(pa.float32())), ("issue_type", pa.list_(pa.string()))]
    )
    column, flags = {
        "list of structs": (
            pa.array([[(0.9, "dark"), (0.8, "blur")]], pa.list_(issue)),
            ("dark", "blur"),
        ),
        "struct of lists": (pa.array([([0.9], ["dark"])], lists), ("dark",)),
        "null": (pa.array([None], pa.list_(issue)), ()),
    }[form]
    file = hub / "validation-00000-of-00001.parquet"
    table = pq.read_table(file)
    pq.write_table(table.set_column(ENRICHED.get_field_index("issues"), "issues", column), file)
    (record,) = CAPTIONS.records(fetch("validation", hub, tmp_path))
    assert record.quality_flags == flags


def test_a_second_call_needs_no_source(hub: Path, tmp_path: Path):
    cache = fetch("train", hub, tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    hub.rename(tmp_path / "gone")
    assert fetch("train", hub, tmp_path) == cache
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == before


def test_an_interrupted_fetch_goes_on_with_the_files_it_lacks(hub: Path, tmp_path: Path):
    second = hub / "train-00001-of-00002.parquet"
    whole = second.read_bytes()
    second.write_bytes(whole[:-100])
    with pytest.raises(UserError, match=r"train-00001-of-00002\.parquet: cannot be fetched"):
        fetch("train", hub, tmp_path)
    kept = tmp_path / "cache" / "train-00000-of-00002.parquet"
    before = kept.stat().st_mtime_ns
    second.write_bytes(whole)
    assert CAPTIONS.read(fetch("train", hub, tmp_path)).num_rows == 2
    assert kept.stat().st_mtime_ns == before


def test_a_repository_without_such_files_is_refused(hub: Path, tmp_path: Path):
    (hub / "validation-00000-of-00001.parquet").unlink()
    with pytest.raises(UserError, match=r"no file validation-\*\.parquet found"):
        fetch("validation", hub, tmp_path)


def test_other_columns_are_refused_in_one_line(hub: Path, tmp_path: Path):
    table = pa.table({"image": ["n01440764_1.JPEG"], "text": ["a dog"]})
    pq.write_table(table, hub / "validation-00000-of-00001.parquet")
    with pytest.raises(UserError, match="cannot be fetched") as refused:
        fetch("validation", hub, tmp_path)
    assert "\n" not in str(refused.value)


def test_without_datasets_the_line_says_what_to_install(hub: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match="uv sync --all-packages --all-extras"):
        fetch("train", hub, tmp_path)


def test_a_cache_that_cannot_be_written_is_named(hub: Path, tmp_path: Path):
    (tmp_path / "cache").write_bytes(b"a file where the folder would be")
    with pytest.raises(UserError, match=r"cannot be written .*XDG_CACHE_HOME"):
        fetch("train", hub, tmp_path)


# In a process of its own, because `datasets` reads its settings when it is imported.
OPEN_HUB = """
import sys
from vargpt_datagen.image_columns import open_images
from vargpt_schema import UserError
try:
    images = open_images("hub", split="train", needs_captions=True)
except UserError as error:
    sys.exit(f"error: {error}")
print(images.num_rows, "datasets" in sys.modules)
"""


def open_hub(tmp_path: Path, endpoint: str) -> subprocess.CompletedProcess[str]:
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf")}
    settings |= {"XDG_CACHE_HOME": str(tmp_path / "xdg"), "HF_HUB_OFFLINE": "0"}
    return subprocess.run(
        [sys.executable, "-c", OPEN_HUB],
        env={**os.environ, **settings},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_the_text_of_the_pinned_revision_is_fetched(tmp_path: Path):
    ids = [f"{TENCH}_{at}.JPEG" for at in range(200)]
    rows = pa.table(
        {
            "image_id": ids,
            "image": pa.array(
                [{"bytes": os.urandom(50_000), "path": name} for name in ids],
                ENRICHED.field("image").type,
            ),
            "label": [0] * 200,
            "label_bbox_enriched": pa.nulls(200, ENRICHED.field("label_bbox_enriched").type),
            "caption_enriched": [f"a fish number {at}" for at in range(200)],
            "issues": pa.nulls(200, ENRICHED.field("issues").type),
        }
    )
    data = tmp_path / "hub" / "data"
    data.mkdir(parents=True)
    pq.write_table(rows, data / "train-00000-of-00001.parquet", row_group_size=20)
    with fake_hub(tmp_path / "hub", REPOSITORY) as hub:
        first = open_hub(tmp_path, hub.url)
        bytes_sent, revisions = hub.bytes_sent, hub.revisions
    assert (first.stdout, first.returncode) == ("200 True\n", 0), first.stderr
    assert revisions == {REVISION}
    num_bytes = (data / "train-00000-of-00001.parquet").stat().st_size
    assert 5_000 < bytes_sent < 0.03 * num_bytes  # most of it the footer, read twice

    again = open_hub(tmp_path, hub.url)  # which has gone
    assert (again.stdout, again.stderr) == ("200 False\n", "")


def test_a_hub_out_of_reach_is_one_line(tmp_path: Path):
    found = open_hub(tmp_path, "http://127.0.0.1:9")  # the discard port: nobody listens
    assert found.returncode == 1
    assert found.stdout == ""
    (line,) = [line for line in found.stderr.splitlines() if "error" in line.lower()]
    assert line.startswith(f"error: hf://datasets/{REPOSITORY}@{REVISION}/data: cannot be fetched")
    assert "Connection refused" in line
    assert "--captions the path of a local copy" in line
