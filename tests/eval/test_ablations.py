"""`vargpt-eval ablations`: paired differences over seeds, beside the rows of Tables 4 and 5."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.eval.command import refusal, vargpt_eval
from vargpt_eval.ablations.paired import _T_975, paired

RIGHT = {"full": (80, 82, 84), "w/o stage 3": (60, 63, 63), "w/o stage 1": (78, 83, 84)}


def world(right: float) -> dict:
    share = {"value": right / 100, "n": 50, "ci95": [0, 1]}
    named = ("background", "position", "colour", "size", "shape", "colour_and_shape")
    return {
        "world": {
            "right": share,
            "by_attribute": dict.fromkeys(named, share),
            "num_missing": 5,
        }
    }


def scored(folder: Path, summary: dict) -> None:
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(summary))


@pytest.fixture
def rows(tmp_path):
    """Three rows of Table 4 with three seeds each, as words of the command."""
    words = []
    for number, (name, values) in enumerate(RIGHT.items()):
        folder = tmp_path / f"row-{number}"
        for seed, value in enumerate(values):
            scored(folder / f"seed-{seed}", world(value))
        words += ["--row", f"{name}={folder}"]
    return words


def test_differences_are_paired_by_seed_with_students_interval(tmp_path, rows):
    done = vargpt_eval("ablations", "--table", 4, *rows, "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    page = tmp_path / "page" / "ablations.html"
    assert done.stdout.splitlines()[-1] == (
        f"3 rows, 3 seeds, 7 of 16 differences resolved -> {page}"
    )
    made = json.loads((tmp_path / "page" / "ablations.json").read_text())
    row = made["figures"]["drawings, all that is named"]["rows"]["w/o stage 3"]
    assert row["differences"] == pytest.approx([-20, -19, -21])
    assert row["mean_difference"] == pytest.approx(-20)
    # sd 1 over 3 seeds: 4.303 / sqrt(3)
    assert row["ci95"] == pytest.approx([-22.4843, -17.5157], abs=1e-3)
    assert (row["order"], row["paper_order"]) == ("worse", "worse")
    assert row["paper"]["FID"] == {"column": "FID", "value": 20.1, "delta": 7.5}


def test_an_interval_with_0_in_it_leaves_the_order_unresolved(tmp_path, rows):
    vargpt_eval("ablations", "--table", 4, *rows, "--out", tmp_path / "page")
    text = (tmp_path / "page" / "ablations.md").read_text()
    assert (
        "| w/o stage 1 | 81.7 | -2.0, +1.0, +0.0 | -0.3 | -4.1 to +3.5 | order not resolved | "
        "FID +2.00, CLIP -0.90 |"
    ) in text
    assert "worse, as the paper" in text
    assert "Rows of the paper that are not here: w/o stage 1 and 2; freeze projector" in text


def test_notes_and_every_row_stand_on_a_page_that_loads_nothing(tmp_path, rows):
    note = "Scenes <b>stand</b> for ImageNet."
    done = vargpt_eval("ablations", "--table", 4, *rows, "--note", note, "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page" / "ablations.html").read_text()
    assert "default-src 'none'" in page
    assert "Scenes &lt;b&gt;stand&lt;/b&gt; for ImageNet." in page
    assert page.count("<svg") == 8
    assert "http" not in page.replace("http-equiv", "")
    assert "Scenes &lt;b>stand" in (tmp_path / "page" / "ablations.md").read_text()


def test_the_papers_own_columns_are_taken_with_their_direction(tmp_path):
    words = []
    for number, (name, fid) in enumerate({"full": 12.0, "w/o stage 3": 20.0}.items()):
        for seed in range(3):
            metrics = {"fid": {"value": fid + seed * (1 + number / 10)}}
            scored(
                tmp_path / str(number) / f"seed-{seed}" / "a", {"gen_metrics": {"metrics": metrics}}
            )
        words += ["--row", f"{name}={tmp_path / str(number)}"]
    done = vargpt_eval("ablations", "--table", 4, *words, "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "page" / "ablations.json").read_text())
    row = made["figures"]["FID"]["rows"]["w/o stage 3"]
    assert row["differences"] == pytest.approx([8.0, 8.1, 8.2])
    assert row["order"] == "worse"


def test_a_distance_of_a_random_network_is_named_as_one(tmp_path):
    words = []
    for number, (name, fid) in enumerate({"full": 1.0, "w/o stage 1 and 2": 3.0}.items()):
        for seed in range(3):
            metrics = {"fid_random": {"value": fid + 0.1 * seed}}
            scored(tmp_path / str(number) / f"seed-{seed}", {"gen_metrics": {"metrics": metrics}})
        words += ["--row", f"{name}={tmp_path / str(number)}"]
    done = vargpt_eval("ablations", "--table", 4, *words, "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "page" / "ablations.json").read_text())
    assert list(made["figures"]) == ["FID of a random network"]
    row = made["figures"]["FID of a random network"]["rows"]["w/o stage 1 and 2"]
    assert (round(row["mean_difference"], 9), row["order"]) == (2.0, "worse")


def test_the_end_of_a_models_training_stands_beside_its_scores(tmp_path, rows):
    losses = {"full": (3.0, 2.0), "w/o stage 3": (4.0, 3.5), "w/o stage 1": (3.0, 1.5)}
    for number, (name, (early, late)) in enumerate(losses.items()):
        for seed in range(3):
            model = tmp_path / f"models-{number}" / f"seed-{seed}"
            model.mkdir(parents=True)
            lines = [{"image_loss": early}] * 6 + [{"image_loss": late + 0.1 * seed}] * 2
            (model / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        rows += ["--row", f"{name}={tmp_path / f'models-{number}'}"]
    done = vargpt_eval("ablations", "--table", 4, *rows, "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "page" / "ablations.json").read_text())["figures"]
    found = figures["loss of drawings at the end of training"]
    assert found["full"] == pytest.approx([2.0, 2.1, 2.2])
    assert found["rows"]["w/o stage 3"]["mean_difference"] == pytest.approx(1.5)
    assert found["rows"]["w/o stage 3"]["order"] == "worse"
    assert found["rows"]["w/o stage 1"]["order"] == "better"
    assert "drawings, all that is named" in figures


def test_the_rows_of_table_5_are_read_from_questions_and_mixed_rows_say_so(tmp_path):
    words = []
    for number, (name, base) in enumerate({"full": 70, "+ ImageNet-Instruct-130K": 60}.items()):
        for seed in range(3):
            figure = {"value": (base + seed % 2) / 100, "unit": "fraction"}
            summary = {"metrics": {"accuracy": figure}, "subgroups": {"kind/colour": figure}}
            scored(tmp_path / str(number) / f"seed-{seed}", {"world_questions": summary})
        words += ["--row", f"{name}={tmp_path / str(number)}"]
    done = vargpt_eval("ablations", "--table", 5, *words, "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "page" / "ablations.md").read_text()
    assert "## Questions, colour" in text
    assert "worse; the paper's columns differ" in text


def test_a_name_that_the_table_lacks_is_refused_with_those_it_has(tmp_path, rows):
    line = refusal("ablations", "--table", 5, *rows, "--out", tmp_path / "page")
    assert "--row: 'w/o stage 3' found, one of Table 5's rows expected: " in line
    assert "freeze LLM in stage 2" in line


def test_rows_of_other_seeds_are_refused(tmp_path, rows):
    (tmp_path / "row-1" / "seed-2").rename(tmp_path / "row-1" / "seed-7")
    line = refusal("ablations", "--table", 4, *rows, "--out", tmp_path / "page")
    assert "seeds seed-0, seed-1, seed-7 found, seed-0, seed-1, seed-2 of" in line


def test_no_full_model_no_runs_and_no_name_are_refused(tmp_path, rows):
    out = ("--out", tmp_path / "page")
    assert "'full' and at least one other row expected" in refusal(
        "ablations", "--table", 4, *rows[2:], *out
    )
    (tmp_path / "empty").mkdir()
    assert "no scored run found" in refusal(
        "ablations", "--table", 4, *rows[:2], "--row", f"w/o stage 3={tmp_path / 'empty'}", *out
    )
    assert "'full' found, NAME=DIR expected" in refusal(
        "ablations", "--table", 4, "--row", "full", *out
    )


def test_one_seed_has_no_interval_and_no_order():
    found = paired([1.0], [2.0], is_better_high=True)
    assert (found.ci95, found.order) == (None, "not resolved")


def test_two_seeds_that_agree_to_the_last_answer_are_no_order():
    found = paired([50.0, 60.0], [53.0, 63.0], is_better_high=True)
    assert (found.ci95, found.order) == ((-3.0, -3.0), "not resolved")


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=6), st.floats(-50, 50))
def test_a_shift_of_every_seed_is_the_difference_and_its_order(full, shift):
    found = paired([one + shift for one in full], full, is_better_high=True)
    assert found.delta == pytest.approx(shift, abs=1e-9)
    low, high = found.ci95 or (math.nan, math.nan)
    assert low <= found.delta <= high
    if abs(shift) > 1:
        assert found.order == ("better" if shift > 0 else "worse")


def test_students_points_are_scipys():
    stats = pytest.importorskip("scipy.stats")
    assert [round(float(stats.t.ppf(0.975, df)), 3) for df in range(1, 31)] == list(_T_975)
