"""quality.json and the recall of class names, on texts small enough to count by hand."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.datagen.small_build import row, write_build
from vargpt_datagen.report import make_report, texts
from vargpt_datagen.report.class_names import class_names, class_recalls
from vargpt_schema import world


def array(*values: str | None) -> pa.Array:
    return pa.array(values, pa.string())


def test_a_row_names_its_class_by_all_words_of_one_of_its_names():
    names = array("tench, Tinca tinca", "great white shark, white shark", "goldfish", None)
    column = array("A photo of a Tinca, tinca.", "a shark in white water", "two gold fish", "owl")
    found = class_recalls(names, [column])
    assert found
    assert found[0].named_frac == pytest.approx(2 / 3)  # the tench, the white shark
    assert found[0].word_recall_mean == pytest.approx(2 / 3)


def test_the_best_name_counts_and_forms_of_a_word_are_one():
    names = array("great white shark, man-eating shark", "school bus")
    found = class_recalls(names, [array("some sharks", "a bus"), array("none", "school buses")])
    assert found
    assert [each.named_frac for each in found] == [0.0, 0.5]
    # 1/3 and 1/3 of the shark's names; 1/2 of the bus's. Then none, and both words.
    assert [each.word_recall_mean for each in found] == pytest.approx([(1 / 3 + 1 / 2) / 2, 0.5])


def test_without_known_classes_there_is_no_recall():
    assert class_recalls(array(None, None), [array("a", "b")]) is None


def test_class_names_come_from_imagenet_and_from_the_world():
    found = class_names(
        pa.array([0, 5, None, 2_000], pa.int64()),
        array("n01440764", None, None, None),
        array("imagenet", "world", "captions", "world"),
    )
    assert found.to_pylist() == ["tench, Tinca tinca", world.class_name(5), None, None]


@pytest.fixture
def quality(tmp_path: Path) -> dict[str, Any]:
    rows = [
        row(
            number,
            caption="a red ring" if number < 4 else f"a dog number {number}",
            prompt="Please draw a red ring." if number < 4 else f"I want a dog number {number}.",
            prompt_template_id=f"p{number % 2}",
            label=0,
        )
        for number in range(20)
    ]
    manifest = {
        "templates": {"version": 1, "prompts": {"p0": "", "p1": "", "p2": ""}, "answers": {}}
    }
    build = write_build(tmp_path, rows, manifest=manifest)
    make_report(build)
    return json.loads((build / "quality.json").read_text("utf-8"))


def test_quality_counts_texts_forms_and_openings(quality: dict[str, Any]):
    requests = quality["requests"]
    assert (quality["rows"], quality["measured_rows"]) == (20, 20)
    assert (requests["distinct"], requests["distinct_frac"]) == (17, 0.85)
    assert requests["forms"]["distinct"] == 2
    assert requests["forms"]["most_frequent"][0] == {"text": "i want \u2026", "rows": 16}
    assert requests["openings"]["distinct"] == 2
    assert requests["openings"]["entropy_bits"] == pytest.approx(0.7219, abs=1e-4)
    assert requests["caption_recall_mean"] == 1.0
    assert 0 < requests["distinct_1"] < requests["distinct_2"] <= 1
    assert quality["captions"]["distinct"] == 17
    assert quality["captions"]["repeated_rows_frac"] == 0.2


def test_quality_counts_use_of_the_pools_with_a_test_of_evenness(quality: dict[str, Any]):
    pools = {pool["pool"]: pool for pool in quality["pools"]}
    templates = pools["Request templates"]
    assert (templates["size"], templates["used"], templates["fewest_rows"]) == (3, 2, 0)
    assert templates["most_rows"] == 10
    assert templates["uniformity"]["expected"] == pytest.approx(20 / 3)
    assert templates["uniformity"]["p_value"] == pytest.approx(0.00674, abs=1e-4)  # chi2 = 10, 2
    assert pools["Shot pairs"]["size"] == 133


def test_quality_says_what_was_measured_on_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(texts, "MAX_MEASURED_ROWS", 8)
    build = write_build(tmp_path, [row(number) for number in range(20)])
    make_report(build)
    quality = json.loads((build / "quality.json").read_text("utf-8"))
    assert (quality["rows"], quality["measured_rows"]) == (20, 8)
    assert "a seeded sample of measured_rows rows" in quality["measured_on"]
    assert quality["requests"]["distinct"] == 20
    assert sum(each["rows"] for each in quality["requests"]["openings"]["most_frequent"]) == 8


def test_the_sample_of_large_builds_has_50000_rows():
    assert texts.MAX_MEASURED_ROWS == 50_000
