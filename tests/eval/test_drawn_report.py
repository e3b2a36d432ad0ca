"""Drawn images in the report and in comparisons: rows, stamps, dialogue, what does not compare."""

import json
from pathlib import Path

import pytest

from tests.eval.drawn_images import generations, image_folder
from tests.eval.scored_runs import gqa_run
from vargpt_eval.compare import compare_runs
from vargpt_eval.extracting.gen_metrics import GenMetricsConfig, measure_drawn
from vargpt_eval.report.page import make_report
from vargpt_eval.run_folder import RunFolder
from vargpt_schema import UserError


def drawn_run(out: Path, drawn: Path, real: Path) -> Path:
    measure_drawn(drawn, out, GenMetricsConfig(ref=real), lambda *_: None)
    return out


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "real", 8, first=500, brightness=140)


@pytest.fixture
def run(real: Path, tmp_path: Path) -> Path:
    return drawn_run(tmp_path / "run", generations(tmp_path / "drawn", 6), real)


def with_fid(run: Path, value: float) -> None:
    """As a run with Inception over all 50,000 prompts leaves its summary."""
    folder = RunFolder(run)
    figures = folder.summary()["gen_metrics"]
    figure = {"value": value, "ci95": None, "se": None, "unit": "points"}
    clip = {"value": 27.0, "ci95": [26.9, 27.1], "se": 0.05, "unit": "points"}
    figures |= {"metrics": {"fid": figure, "clip_score": clip}, "stamp": None}
    figures |= {"n": 50_000, "is_subset": False}
    folder.set_task("gen_metrics", figures)


def test_a_random_networks_figures_are_stamped_and_stay_out_of_table_4(run, tmp_path):
    make_report([run], tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text("utf-8")
    assert '<span class="stamp">not comparable, subset</span>' in page
    tables = json.loads((tmp_path / "report/report.json").read_text("utf-8"))["tables"]
    assert [row["name"] for row in tables["4"]["rows"] if row["is_ours"]] == []


def test_inceptions_fid_and_the_clip_score_stand_in_table_4(run, tmp_path):
    with_fid(run, 13.5)
    make_report([run], tmp_path / "report")
    table = json.loads((tmp_path / "report/report.json").read_text("utf-8"))["tables"]["4"]
    (ours,) = [row for row in table["rows"] if row["is_ours"]]
    assert ours["values"] == [13.5, 27.0]
    deltas = {one["column"]: round(one["delta"], 4) for one in table["differences"]}
    assert deltas == {"FID": 0.9, "CLIP": -0.4}


def test_the_page_shows_drawn_samples_with_their_dialogue(run, tmp_path):
    make_report([run], tmp_path / "report")
    page = (tmp_path / "report/report.html").read_text("utf-8")
    assert page.count('<article class="dialogue">') == 6
    assert page.count('<img src="data:image/png;base64,') == 6
    assert '<p class="asked">Please draw &lt;b&gt;thing&lt;/b&gt; 0.</p>' in page
    assert "<p>Here it is:</p>" in page
    assert "<b>thing" not in page


def test_no_source_but_a_png_gets_into_the_page(run, tmp_path):
    file = run / "drawn/gen_metrics.json"
    held = json.loads(file.read_text("utf-8"))
    held["examples"][0]["parts"][1]["picture"] = "https://somewhere.example/x.png"
    file.write_text(json.dumps(held), "utf-8")
    make_report([run], tmp_path / "report")
    assert "somewhere.example" not in (tmp_path / "report/report.html").read_text("utf-8")


def test_two_runs_against_one_reference_compare(run, real, tmp_path):
    other = drawn_run(tmp_path / "other", generations(tmp_path / "drawn2", 6, brightness=140), real)
    found = compare_runs(run, other, tmp_path / "out.json")
    assert found.tasks == []
    assert [one.metric for one in found.drawn] == [
        "fid_random",
        "kid_random",
        "precision_random",
        "recall_random",
    ]
    assert found.drawn[0].delta < 0
    assert "fid_random" in json.loads((tmp_path / "out.json").read_text("utf-8"))["drawn"]


def test_runs_against_other_real_images_do_not_compare(run, tmp_path):
    real = image_folder(tmp_path / "other-real", 8, first=700)
    other = drawn_run(tmp_path / "other", tmp_path / "drawn", real)
    with pytest.raises(UserError, match=r"run: reference .* do not compare"):
        compare_runs(run, other)


@pytest.mark.parametrize(
    ("name", "value"),
    [("extractor", "random-1"), ("image_size_px", [8, 8]), ("n", 5), ("clip", {"ViT-L/14": "x"})],
)
def test_runs_that_saw_otherwise_do_not_compare(name, value, run, real, tmp_path):
    other = drawn_run(tmp_path / "other", tmp_path / "drawn", real)
    folder = RunFolder(other)
    folder.set_task("gen_metrics", {**folder.summary()["gen_metrics"], name: value})
    with pytest.raises(UserError, match="do not compare"):
        compare_runs(run, other)


def test_drawings_and_answers_compare_in_one_call(run, real, tmp_path):
    other = drawn_run(tmp_path / "other", tmp_path / "drawn", real)
    for one in (run, other):
        gqa_run(one, 9, 3)
    found = compare_runs(run, other)
    assert [one.task for one in found.tasks] == ["gqa"]
    assert {one.delta for one in found.drawn} == {0}
