"""The card and the report of a stage-2 build: what they say, and that text stays text."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.datagen.small_build import HOSTILE
from tests.datagen.stage2_inputs import llava_record, said, write_inputs
from tests.datagen.test_report import Page
from vargpt_datagen.stage2.build import Stage2Config, build_stage2
from vargpt_datagen.stage2.report import make_stage2_report
from vargpt_schema import INSTRUCT


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build whose records try to be markup."""
    folder = tmp_path_factory.mktemp("build")
    records: list[Any] = [llava_record(number) for number in range(136)]
    for number in range(0, 130, 2):
        records[number]["conversations"] = said(f"<image>\n{HOSTILE}", HOSTILE)
        records[number]["id"] = HOSTILE
    records[1]["conversations"] = said(HOSTILE, "No picture.")
    write_inputs(folder, records)
    config = Stage2Config(
        llava=folder / "llava.json",
        onevision=folder / "onevision",
        instruct=folder / "130k",
        image_root=folder / "images",
        weights=folder / "weights.tsv",
        rows=240,
        out=folder / "out",
    )
    build_stage2(config)
    return folder / "out"


@pytest.fixture(scope="module")
def page(build: Path) -> Page:
    return Page((build / "report.html").read_text("utf-8"))


def test_the_mixture_stands_beside_the_papers(page: Page):
    assert "General 135 56.5% 52.5% +4.0" in page.words
    assert "Language 1 0.4% 0.4% +0.0" in page.words
    assert "1 -class 1.28M (33.2%) 1,281,167 (33.2%)" in page.words
    assert "1.18M (30.6%) 1,178,298 (30.5%) 239" in page.words
    assert "3 -130K, -1270K 1.40M (36.3%) 1,400,000 (36.3%)" in page.words
    assert "llava/coco General 135 56.5% 364,100" in page.words


def test_rows_have_pictures_and_rejects_their_reasons(page: Page):
    assert page.tags.count("img") >= 20
    assert "image_count 1 (100%)" in page.words
    assert "1 fewer than asked for" in page.words
    assert "rows of LLaVA-OneVision have the picture, byte for byte" in page.words


def test_quality_is_measured_on_the_first_shard(build: Path):
    quality = json.loads((build / "quality.json").read_text("utf-8"))
    assert (quality["set"], quality["rows"], quality["measured_rows"]) == ("stage2", 239, 239)
    assert "the 239 rows of train-00000-of-00001.parquet" in quality["measured_on"]
    requests = [
        turns[0]["content"].replace("<image>", "").strip()
        for turns in INSTRUCT.read(build).column("messages").to_pylist()
    ]
    assert quality["requests"]["distinct"] == len(set(requests))
    openings = quality["requests"]["openings"]["most_frequent"]
    assert not any("image" in each["text"].split()[0] for each in openings)
    assert quality["pools"] == []


def test_nothing_is_loaded_and_nothing_runs(page: Page):
    assert page.csp.startswith("default-src 'none'")
    assert not {"script", "link", "iframe", "object", "form", "base"} & set(page.tags)
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert '<script>alert("x")</script>' in page.text
    assert "\x1b" not in page.text


def test_the_report_is_the_same_every_time_and_does_without_pictures(build: Path):
    before = (build / "report.html").read_bytes()
    make_stage2_report(build, build.parent / "images")
    assert (build / "report.html").read_bytes() == before
    make_stage2_report(build)
    without = Page((build / "report.html").read_text("utf-8"))
    (build / "report.html").write_bytes(before)
    assert "no image root given" in without.words


def test_the_card_says_what_is_in_it_and_declares_no_licence(build: Path):
    card = (build / "README.md").read_text("utf-8")
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["pretty_name"] == "VARGPT-Stage2-Mixture"
    assert front["dataset_info"]["splits"][0]["num_examples"] == 239
    assert "license" not in front
    assert "| General | 135 | 56.5% | 52.5% |" in card
    assert "Sample-World-Instruct-130K" in card
    assert "without K12 Printing" in card


def test_a_build_of_the_world_says_so_on_card_and_page(tmp_path: Path):
    build_stage2(Stage2Config(out=tmp_path / "out", rows=60))
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    page = Page((tmp_path / "out" / "report.html").read_text("utf-8"))
    notice = "rom the sample world: no row is of LLaVA-1.5, LLaVA-OneVision or ImageNet."
    assert notice in card
    assert notice in page.words
    assert "sample world" in page.words
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert "ImageNet" not in manifest["name"]
    make_stage2_report(tmp_path / "out")
    again = Page((tmp_path / "out" / "report.html").read_text("utf-8"))
    assert again.tags.count("img") == page.tags.count("img") >= 20
