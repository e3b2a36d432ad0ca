"""`vargpt-eval compare`: two runs as pairs on the items that both answered."""

import json

import pytest

from tests.eval.answered import gqa_rows
from tests.eval.command import vargpt_eval
from tests.eval.scored_runs import gqa_run, mmmu_rows, score_rows
from vargpt_eval.compare import compare_runs, mcnemar_p
from vargpt_schema import UserError


def run_with(folder, predictions):
    """GQA answered with these words; `left` is right."""
    rows = gqa_rows(len(predictions), len(predictions))
    for row, word in zip(rows, predictions, strict=True):
        row["prediction"] = word
        row["imageId"] = row["id"]
    return score_rows(folder, "gqa", rows)


def test_a_consistent_small_gain_is_seen_where_single_intervals_overlap(tmp_path):
    base = ["left", "no"] * 100
    better = ["left" if number % 20 == 1 else word for number, word in enumerate(base)]
    a, b = run_with(tmp_path / "a", base), run_with(tmp_path / "b", better)
    (found,) = compare_runs(a, b).tasks
    assert found.delta == pytest.approx(0.05)
    assert found.ci95 is not None
    assert found.ci95[0] > 0
    assert (found.num_a_better, found.num_b_better) == (0, 10)
    assert found.mcnemar_p == pytest.approx(2 / 2**10)
    assert found.swap_p < 0.02
    assert found.is_within_noise is False


def test_runs_that_differ_both_ways_alike_are_within_noise(tmp_path):
    a = run_with(tmp_path / "a", ["left", "no"] * 30)
    b = run_with(tmp_path / "b", ["no", "left"] * 30)
    (found,) = compare_runs(a, b).tasks
    assert found.delta == 0
    assert found.mcnemar_p == 1.0
    assert found.swap_p == 1.0
    assert found.is_within_noise is True


def test_only_items_that_both_scored_count(tmp_path):
    a = gqa_run(tmp_path / "a", 10, 10)
    rows = gqa_rows(8, 8)
    rows[0]["error"] = "timeout"
    b = score_rows(tmp_path / "b", "gqa", rows)
    (found,) = compare_runs(a, b).tasks
    assert (found.num_shared, found.num_only_a, found.num_only_b) == (7, 3, 0)


def test_mme_is_compared_in_points(tmp_path):
    def rows(word):
        held = {"category": "count", "prediction": word}
        return [
            {**held, "question_id": f"{image}.png", "answer": answer}
            for image in range(6)
            for answer in ("Yes", "No")
        ]

    a = score_rows(tmp_path / "a", "mme", rows("yes"))
    other = rows("yes")
    for row in other[:4]:
        row["prediction"] = row["answer"]
    b = score_rows(tmp_path / "b", "mme", other)
    (found,) = compare_runs(a, b).tasks
    assert (found.value_a, found.value_b) == (50.0, pytest.approx(100.0))
    assert found.is_points


def test_the_command_prints_a_line_a_benchmark_and_writes_json(tmp_path):
    a = score_rows(tmp_path / "a", "mmmu_val", mmmu_rows(30, 60))
    b = score_rows(tmp_path / "b", "mmmu_val", mmmu_rows(33, 60))
    ran = vargpt_eval("compare", a, b, "--out", tmp_path / "d.json")
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[0].startswith("mmmu_val: accuracy 50.00 -> 55.00, +5.00 (95 % ")
    assert "McNemar p 0.25; 60 shared items" in lines[0]
    assert lines[-1].endswith(f"-> {tmp_path / 'd.json'}")
    held = json.loads((tmp_path / "d.json").read_text())
    assert held["tasks"]["mmmu_val"]["num_b_better"] == 3


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"), [(0, 0, 1.0), (1, 1, 1.0), (0, 5, 0.0625), (2, 8, 0.109375)]
)
def test_mcnemar_by_hand(only_a, only_b, p):
    assert mcnemar_p(only_a, only_b) == pytest.approx(p)
    assert mcnemar_p(only_b, only_a) == pytest.approx(p)


def test_mcnemar_of_a_large_run_is_quick_and_finite():
    assert mcnemar_p(10_000, 10_100) == pytest.approx(0.485, abs=0.005)


# Bad input.


def test_runs_of_two_profiles_are_refused(tmp_path):
    a = gqa_run(tmp_path / "a", 3, 1)
    b = score_rows(tmp_path / "b", "gqa", gqa_rows(3, 1), profile="lmms-eval-0.7.3")
    with pytest.raises(UserError, match=r"profile lmms-eval-0\.7\.3 found, one for both"):
        compare_runs(a, b)


def test_runs_without_a_shared_benchmark_are_refused(tmp_path):
    a = gqa_run(tmp_path / "a", 3, 1)
    b = score_rows(tmp_path / "b", "mmmu_val", mmmu_rows(3, 6))
    with pytest.raises(UserError, match=r"a has gqa, .*b has mmmu_val; one in both expected"):
        compare_runs(a, b)


def test_items_that_share_an_id_alone_are_refused(tmp_path):
    a, b = gqa_run(tmp_path / "a", 3, 1), gqa_run(tmp_path / "b", 3, 2)
    with pytest.raises(UserError, match="item 'q1' differs between a and b"):
        compare_runs(a, b)


def test_runs_without_a_shared_item_are_refused(tmp_path):
    a = gqa_run(tmp_path / "a", 3, 3)
    rows = [{**row, "id": f"other {row['id']}"} for row in gqa_rows(3, 3)]
    b = score_rows(tmp_path / "b", "gqa", rows)
    with pytest.raises(UserError, match="no item that both a and b have scored"):
        compare_runs(a, b)
