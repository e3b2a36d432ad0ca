"""What `--captions` names, opened for one caption after another."""

from pathlib import Path

import pytest

from tests.datagen.enriched import write_enriched
from vargpt_datagen import caption_open, hub_captions
from vargpt_datagen.caption_columns import Split
from vargpt_datagen.caption_open import caption_source
from vargpt_datagen.caption_parquet import ParquetCaptions
from vargpt_datagen.caption_source import WorldCaptions
from vargpt_schema import UserError


def test_the_world_needs_no_file():
    assert caption_source("world").fingerprint == WorldCaptions().fingerprint


def test_a_path_is_read_as_parquet(tmp_path: Path):
    path = write_enriched(tmp_path / "c.parquet", ["a dog", "a cat"])
    source = caption_source(str(path))
    assert source.fingerprint == ParquetCaptions(path).fingerprint
    assert source.caption(1) == "a cat"


def test_the_hub_gives_its_training_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = tmp_path / "hub" / "data"
    write_enriched(data / "train-00000-of-00001.parquet", ["a dog"])

    def local_copy(split: Split) -> Path:
        return hub_captions.hub_captions(split, source=str(data), cache=tmp_path / "cache")

    monkeypatch.setattr(caption_open, "hub_captions", local_copy)
    source = caption_source("hub")
    assert (source.name, len(source), source.caption(0)) == ("imagenet", 1, "a dog")


def test_a_path_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no such file or folder"):
        caption_source(str(tmp_path / "hup"))
