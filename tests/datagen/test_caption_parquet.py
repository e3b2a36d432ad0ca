"""Real captions from Parquet: what is read, what is dropped, what is refused."""

import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datagen.enriched import (
    imagenet_record,
    own_record,
    paper_captions,
    world_record,
    write_enriched,
    write_own,
)
from vargpt_datagen import caption_source
from vargpt_datagen.caption_parquet import ParquetCaptions
from vargpt_datagen.caption_source import CaptionedImage, WorldCaptions
from vargpt_datagen.world import captions_table
from vargpt_schema import CAPTIONS, UserError, world


def test_the_hub_layout_gives_stem_path_wnid_and_a_clean_caption(tmp_path: Path):
    path = write_enriched(tmp_path / "c.parquet", ["a close up of an ostrich\n", "a dog. "])
    source = ParquetCaptions(path)
    assert source.image(0) == CaptionedImage(
        image_id="n01440764_0",
        image="train/n01440764/n01440764_0.JPEG",
        label=0,
        wnid="n01440764",
        caption="a close up of an ostrich",
    )
    assert source.caption(1) == "a dog"
    assert (len(source), dict(source.dropped)) == (2, {})


def test_every_caption_the_paper_prints_is_usable(tmp_path: Path):
    captions = paper_captions()
    source = ParquetCaptions(write_enriched(tmp_path / "c.parquet", captions))
    assert len(captions) >= 35
    assert [source.caption(at) for at in range(len(source))] == captions


def test_a_folder_gives_its_training_files_in_order_and_never_validation(tmp_path: Path):
    data = tmp_path / "data"
    write_enriched(data / "train-00001-of-00002.parquet", ["a cat"], ["n00000002_1.JPEG"])
    write_enriched(data / "train-00000-of-00002.parquet", ["a dog"], ["n00000001_1.JPEG"])
    write_enriched(
        data / "validation-00000-of-00001.parquet", ["a cow"], ["ILSVRC2012_val_00000001.JPEG"]
    )
    source = ParquetCaptions(tmp_path)
    assert [source.caption(at) for at in range(len(source))] == ["a dog", "a cat"]


def test_our_own_captions_table_is_read_too(tmp_path: Path):
    records = [own_record("a"), own_record("b", split="validation")]
    source = ParquetCaptions(write_own(tmp_path / "c.parquet", records))
    assert len(source) == 1
    assert source.image(0).image == "photos/a.jpg"
    assert source.captioner == "a-captioner"


def test_the_hub_layout_is_called_imagenet(tmp_path: Path):
    source = ParquetCaptions(write_enriched(tmp_path / "c.parquet", ["a dog"]))
    assert (source.name, source.title) == ("imagenet", "ImageNet-Instruct")


@pytest.mark.parametrize(
    ("records", "name", "title"),
    [
        ([world_record(1), world_record(2)], "world", "Sample-World-Instruct"),
        (
            [imagenet_record("n01440764_1"), imagenet_record("n01440764_2")],
            "imagenet",
            "ImageNet-Instruct",
        ),
        ([own_record("a"), own_record("b")], "captions", "Caption-Instruct"),
        ([imagenet_record("n01440764_1"), own_record("a")], "captions", "Caption-Instruct"),
        # Named like ImageNet, but without its WordNet id or with another's.
        ([own_record("n01440764_1")], "captions", "Caption-Instruct"),
        ([own_record("n01440764_1", wnid="n00000001")], "captions", "Caption-Instruct"),
        # The world's pictures in another's words.
        ([world_record(1, captioner="blip2")], "captions", "Caption-Instruct"),
    ],
)
def test_a_captions_table_is_called_by_what_its_rows_say(records, name, title, tmp_path: Path):
    source = ParquetCaptions(write_own(tmp_path / "c.parquet", records))
    assert (source.name, source.title) == (name, title)


@pytest.mark.parametrize(
    "other",
    [
        imagenet_record("n01440764_7"),
        own_record("n01440764_7"),
        world_record(7, captioner="blip2"),
        own_record("n01440764_7", captioner="vargpt-sample-world"),
        world_record(7, image="world/00000008.png"),
    ],
)
def test_the_world_mixed_with_anything_else_is_refused(other, tmp_path: Path):
    path = write_own(tmp_path / "c.parquet", [world_record(1), other])
    with pytest.raises(UserError, match="sample world found together with 1 rows"):
        ParquetCaptions(path)


def test_what_datagen_world_writes_is_read_as_the_world(tmp_path: Path):
    CAPTIONS.write(captions_table(world.SPLITS["train"][:60]), tmp_path / "captions.parquet")
    source = ParquetCaptions(tmp_path)
    assert (source.name, source.title, source.captioner) == (
        WorldCaptions.name,
        WorldCaptions.title,
        WorldCaptions.captioner,
    )
    assert dict(source.dropped) == {}
    drawn = WorldCaptions()
    assert [source.image(at) for at in range(60)] == [drawn.image(at) for at in range(60)]


def test_every_captioner_is_recorded_up_to_five(tmp_path: Path):
    def captioner(names: str) -> str:
        records = [own_record(f"{at}", captioner=name) for at, name in enumerate(names)]
        return ParquetCaptions(write_own(tmp_path / f"{names}.parquet", records)).captioner

    assert captioner("ba") == "a, b"
    assert captioner("edcbaa") == "a, b, c, d, e"
    assert captioner("gfedcba") == "a, b, c, d, e and 2 more"


@pytest.mark.parametrize(
    "image", ["../../etc/passwd", "/etc/passwd", "C:/x.jpg", "a/../../x.jpg", "a\\b.jpg", ""]
)
def test_an_image_outside_the_image_root_is_refused_by_the_id_of_its_row(image, tmp_path: Path):
    path = write_own(tmp_path / "c.parquet", [own_record("good"), own_record("bad", image=image)])
    with pytest.raises(UserError, match="found in the row of 'bad', a relative POSIX path"):
        ParquetCaptions(path)


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("a dog <image_gen>", "special_token"),
        ("a dog <script>alert(1)</script>", "special_token"),
        ("x " * 5_000, "too_long"),
        ("a " + "b" * 10_000, "too_long"),
        ("a dog \N{DOG FACE}", "not_plain_ascii"),
        ("\u72d7 on a sofa", "not_plain_ascii"),
        ("", "empty"),
        (None, "empty"),
    ],
)
def test_unfit_captions_are_dropped_and_counted(caption, reason, tmp_path: Path):
    source = ParquetCaptions(write_enriched(tmp_path / "c.parquet", ["a dog", caption, "a cat"]))
    assert [source.caption(at) for at in range(len(source))] == ["a dog", "a cat"]
    assert dict(source.dropped) == {reason: 1}


def test_a_validation_image_in_a_training_file_is_dropped(tmp_path: Path):
    ids = ["n00000001_1.JPEG", "ILSVRC2012_val_00019877.JPEG"]
    source = ParquetCaptions(write_enriched(tmp_path / "c.parquet", ["a dog", "a cat"], ids))
    assert dict(source.dropped) == {"validation_image": 1}


def test_a_missing_path_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"no\.parquet: no such file or folder"):
        ParquetCaptions(tmp_path / "no.parquet")


def test_an_empty_folder_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no Parquet file of training captions found"):
        ParquetCaptions(tmp_path)


@pytest.mark.parametrize("content", [b"", b"image_id,caption\n1,a dog\n"])
def test_a_file_that_is_not_parquet_is_refused(content, tmp_path: Path):
    (tmp_path / "c.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"c\.parquet: not a readable Parquet file"):
        ParquetCaptions(tmp_path / "c.parquet")


def test_a_truncated_parquet_is_refused(tmp_path: Path):
    path = write_enriched(tmp_path / "c.parquet", ["a dog"] * 50)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="not a readable Parquet file"):
        ParquetCaptions(path)


def test_a_file_without_rows_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no row found, captions were expected"):
        ParquetCaptions(write_enriched(tmp_path / "c.parquet", []))


def test_wrong_columns_are_refused_by_name(tmp_path: Path):
    pq.write_table(pa.table({"id": ["a"], "caption": ["a dog"]}), tmp_path / "c.parquet")
    with pytest.raises(
        UserError, match="columns id, caption found, image_id, label, caption_enriched missing"
    ):
        ParquetCaptions(tmp_path / "c.parquet")


def test_a_wrong_column_type_is_refused(tmp_path: Path):
    table = pa.table({"image_id": [1], "label": [1], "caption_enriched": ["a dog"]})
    pq.write_table(table, tmp_path / "c.parquet")
    with pytest.raises(UserError, match="column image_id is int64, string was expected"):
        ParquetCaptions(tmp_path / "c.parquet")


def test_null_ids_are_refused_with_the_first_row(tmp_path: Path):
    ids = ["n00000001_1.JPEG", None, None]
    path = write_enriched(tmp_path / "c.parquet", ["a dog", "a cat", "a cow"], ids)
    with pytest.raises(UserError, match="image_id is null in 2 rows, first in row 1"):
        ParquetCaptions(path)


def test_repeated_ids_are_refused_even_across_files(tmp_path: Path):
    ids = ["n00000001_1.JPEG"]
    write_enriched(tmp_path / "train-0.parquet", ["a dog"], ids)
    write_enriched(tmp_path / "train-1.parquet", ["a cat"], ids)
    with pytest.raises(UserError, match="image_id 'n00000001_1' found 2 times"):
        ParquetCaptions(tmp_path)


@pytest.mark.parametrize(
    "image_id",
    [
        "../../etc/passwd",
        "cat.jpg",
        "n01440764_1/../x.JPEG",
        "ILSVRC2012_val_abc1",
        "ILSVRC2012_val_000198771.JPEG",
        "n01440764_1\n",
        "",
    ],
)
def test_ids_that_are_no_imagenet_names_are_refused(image_id, tmp_path: Path):
    path = write_enriched(tmp_path / "c.parquet", ["a dog"], [image_id])
    with pytest.raises(UserError, match="an ImageNet file name such as"):
        ParquetCaptions(path)


def test_the_fingerprint_follows_ids_and_captions(tmp_path: Path):
    def fingerprint(name: str, captions: list[str], first_id: str = "n00000001_1.JPEG") -> str:
        ids = [first_id, "n00000001_2.JPEG"]
        return ParquetCaptions(write_enriched(tmp_path / name, captions, ids)).fingerprint

    same = fingerprint("a.parquet", ["a dog", "a cat"])
    assert same == fingerprint("b.parquet", ["a dog ", "a cat."])
    assert same != fingerprint("c.parquet", ["a dog", "a cow"])
    assert same != fingerprint("d.parquet", ["a dog", "a cat"], "n00000001_9.JPEG")


@pytest.mark.parametrize(
    "change",
    [
        {"image": "photos/other.jpg"},
        {"label": 4},
        {"label": None},
        {"wnid": "n00000001"},
        {"wnid": ""},
        {"captioner": "another"},
    ],
)
def test_the_fingerprint_follows_everything_else_a_row_carries(change, tmp_path: Path):
    first = own_record("a")
    changed = dataclasses.replace(first, **change)
    fingerprints = {
        ParquetCaptions(write_own(tmp_path / name, [row, own_record("b")])).fingerprint
        for name, row in {"1.parquet": first, "2.parquet": changed}.items()
    }
    assert len(fingerprints) == 2


def test_the_worlds_fingerprint_follows_its_version(monkeypatch: pytest.MonkeyPatch):
    before = WorldCaptions().fingerprint
    monkeypatch.setattr(caption_source, "WORLD_VERSION", caption_source.WORLD_VERSION + 1)
    assert WorldCaptions().fingerprint != before


def test_the_worlds_fingerprint_follows_its_labels(monkeypatch: pytest.MonkeyPatch):
    before = WorldCaptions().fingerprint
    monkeypatch.setattr(world, "label_at", lambda _index: 0)
    assert WorldCaptions().fingerprint != before


def test_captions_that_are_all_unfit_leave_none(tmp_path: Path):
    source = ParquetCaptions(write_enriched(tmp_path / "c.parquet", ["a bowl of", "", "dog"]))
    assert len(source) == 0
    assert dict(source.dropped) == {"cut_off": 1, "empty": 1, "too_short": 1}


def test_a_label_that_is_not_its_wordnet_ids_is_refused(tmp_path: Path):
    ids = ["n01440764_1.JPEG", "n15075141_1.JPEG"]  # labels 0 and 999
    path = write_enriched(tmp_path / "c.parquet", ["a dog", "a cat"], ids)
    with pytest.raises(UserError, match="label 1 found in the row of 'n15075141_1', 999 was exp"):
        ParquetCaptions(path)
