"""Every scorer equals both lmms-eval releases on the given cases, per item and in aggregate."""

import json

import pytest

from tests.eval.golden_cases import CASES, KEYS, cases_of, score_of
from vargpt_eval.metrics.measure import BY, measure
from vargpt_eval.scored_sample import Answered, scored_sample
from vargpt_eval.scoring.mmbench import mmbench_options, prefetched_letter
from vargpt_eval.scoring.profile import PROFILES
from vargpt_eval.scoring.vqa_answer import evalai_form, vqa_form

pytestmark = pytest.mark.parametrize("profile", PROFILES)


def measured(benchmark, profile):
    cases = cases_of(benchmark, profile)
    task = cases[0].task
    samples = [
        scored_sample(task, Answered(case.item, "", case.response, "stop", None), profile)
        for case in cases
    ]
    return measure(task.kind, samples)


@pytest.mark.parametrize("benchmark", CASES["benchmarks"])
def test_items_score_as_in_lmms_eval(benchmark, profile):
    for case in cases_of(benchmark, profile):
        if "score" not in case.expected:
            continue
        score = score_of(case, profile)
        if score.is_fallback:  # lmms-eval drew at random; ours is one of the choices
            assert ord(score.parsed) - ord("A") in range(len(case.item.options)), case
            continue
        assert score.score == pytest.approx(case.expected["score"]), case


@pytest.mark.parametrize("benchmark", CASES["benchmarks"])
def test_items_are_read_as_in_lmms_eval(benchmark, profile):
    for case in cases_of(benchmark, profile):
        parsed = score_of(case, profile).parsed
        for name in ("normalised_prediction", "parsed"):
            expected = case.expected.get(name, parsed)
            expected = expected[0] if isinstance(expected, list) else expected
            is_guess = score_of(case, profile).is_fallback and benchmark == "mmmu_val"
            assert is_guess or parsed == expected, case
        if "parsed_sorted" in case.expected:
            assert json.loads(parsed) == case.expected["parsed_sorted"], case
        if "prefetch" in case.expected:
            found = prefetched_letter(case.response, mmbench_options(case.item))
            assert (found or False) == case.expected["prefetch"], case


def test_mmmu_cases_that_lmms_eval_guessed_are_those_counted_as_fallbacks(profile):
    flags = [
        case.get("random_fallback", False) for case in CASES["benchmarks"]["mmmu_val"]["items"]
    ]
    found = [score_of(case, profile).is_fallback for case in cases_of("mmmu_val", profile)]
    assert found == flags
    assert any(flags)


def test_pope_aggregates(profile):
    expected = CASES["benchmarks"]["pope"]["expected_aggregate"][KEYS[profile]]
    found = measured("pope", profile).values()
    assert {
        "pope_accuracy": found["accuracy"],
        "pope_precision": found["precision"],
        "pope_recall": found["recall"],
        "pope_f1_score": found["f1"],
        "pope_yes_ratio": found["target_yes"],
    } == pytest.approx(expected)


def test_mme_aggregates_and_subtasks(profile):
    held = CASES["benchmarks"]["mme"]
    found = measured("mme", profile).values()
    assert {
        "mme_perception_score": found["perception"],
        "mme_cognition_score": found["cognition"],
    } == pytest.approx(held["expected_aggregate"][KEYS[profile]])
    subtasks = held["expected_per_subtask"][KEYS[profile]]
    assert {name: found[f"{BY}{name}"] for name in subtasks} == pytest.approx(subtasks)


def test_mmbench_aggregates_with_the_static_rule_and_with_lmms_evals_guesses(profile):
    held = CASES["benchmarks"]["mmbench_en_dev"]["expected_aggregate"]
    # Both releases read alike; only 0.7.3 has the static rule, which serves both profiles here.
    static = held["lmms-eval-0.7.3"]["static"]
    found = measured("mmbench_en_dev", profile)
    values = found.values()
    assert values["accuracy"] * 100 == pytest.approx(static["overall"])
    for coarse, share in static["l2"].items():
        assert values[f"{BY}{coarse}"] == pytest.approx(share)
        for fine, fine_share in static["category"].items():
            assert values[f"{BY}{coarse} / {fine}"] == pytest.approx(fine_share)
    guessed = held[KEYS[profile]]["gpt_eval_no_api(random fallback, seed 2680)"]["overall"]
    assert found.beside["accuracy_guessing_seed_2680"] * 100 == pytest.approx(guessed)


def test_mmbench_questions_are_right_one_by_one(profile):
    held = CASES["benchmarks"]["mmbench_en_dev"]["expected_aggregate"]["lmms-eval-0.7.3"]
    clusters = measured("mmbench_en_dev", profile).clusters
    found = dict(zip(clusters.cluster_ids, clusters.sums["sum"].tolist(), strict=True))
    assert found == held["per_question_static"]


@pytest.mark.parametrize("case", CASES["normalisation"], ids=lambda case: case["in"])
def test_vqa_normal_forms(case, profile):  # noqa: ARG001
    assert evalai_form(case["in"]) == case["evalai_call"]
    assert vqa_form(case["in"]) == case["punct_then_digit_article"]
