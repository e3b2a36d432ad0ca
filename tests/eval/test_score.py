"""`vargpt-eval score`: answers to scores with intervals, in a process without torch."""

import json
import subprocess
import sys

import pytest

from tests.eval.answered import answer, gqa_rows, write_jsonl, write_table
from tests.eval.command import refusal, vargpt_eval
from vargpt_eval.score import score_answers
from vargpt_schema import EVAL_SAMPLES, UserError


def quiet(done: int, total: int) -> None:
    """No progress."""


def scored(path, out, task="gqa", **options):
    return score_answers(path, task, out, quiet, **options)


def test_a_file_of_items_and_answers_becomes_samples_and_figures(tmp_path):
    answers = write_jsonl(tmp_path / "gqa.jsonl", gqa_rows(12, 9))
    ran = vargpt_eval("score", answers, "--task", "gqa", "--out", tmp_path / "run")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == (
        "gqa: accuracy 75.00% of 12 answers, subset of 12,578; 0 errors, 0 cut off, 0 fallbacks"
        f" -> {tmp_path / 'run' / 'summary.json'}"
    )
    figures = json.loads((tmp_path / "run" / "summary.json").read_text())["gqa"]
    assert figures["metrics"]["accuracy"]["value"] == 0.75
    low, high = figures["metrics"]["accuracy"]["ci95"]
    assert 0 <= low < 0.75 < high <= 1
    assert figures["bootstrap"]["num_clusters"] == 4
    first = next(EVAL_SAMPLES.records(tmp_path / "run" / "samples" / "gqa"))
    assert (first.sample_id, first.cluster_id, first.parsed) == ("q0", "image0", "left")
    assert (first.target, first.score, first.prompt) == ("left", 1.0, "Where is thing 0?")


def test_an_answers_table_is_joined_to_the_items_beside_it(tmp_path):
    rows = gqa_rows(3, 3)
    folder = write_table(tmp_path / "a", [answer("q2", "left"), answer("q0", "no")], rows)
    done = scored(folder, tmp_path / "run")
    assert done.headline["value"] == 0.5
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["model_sha256"] == "a" * 64
    assert run["tasks"]["gqa"]["generation_config_sha256"] == "b" * 64


def test_the_same_answers_again_change_nothing(tmp_path):
    answers = write_jsonl(tmp_path / "gqa.jsonl", gqa_rows(6, 3))
    assert scored(answers, tmp_path / "run").was_kept is False
    before = (tmp_path / "run" / "summary.json").read_bytes()
    assert scored(answers, tmp_path / "run").was_kept is True
    assert (tmp_path / "run" / "summary.json").read_bytes() == before


def test_changed_answers_are_scored_again(tmp_path):
    scored(write_jsonl(tmp_path / "gqa.jsonl", gqa_rows(6, 3)), tmp_path / "run")
    done = scored(write_jsonl(tmp_path / "gqa.jsonl", gqa_rows(6, 6)), tmp_path / "run")
    assert (done.was_kept, done.headline["value"]) == (False, 1.0)


def test_an_error_is_counted_and_has_no_score(tmp_path):
    rows = gqa_rows(6, 6)
    rows[0] |= {"error": "out of memory", "prediction": "left"}
    figures = scored(write_jsonl(tmp_path / "gqa.jsonl", rows), tmp_path / "run").figures
    assert (figures["n"], figures["n_error"]) == (6, 1)
    assert figures["metrics"]["accuracy"]["value"] == 1.0
    assert figures["beside"] == {"error_counted_wrong": pytest.approx(5 / 6)}
    sample = next(EVAL_SAMPLES.records(tmp_path / "run" / "samples" / "gqa"))
    assert (sample.score, sample.parsed, sample.error) == (None, None, "out of memory")


def test_an_answer_cut_off_is_wrong_unread_and_counted(tmp_path):
    rows = gqa_rows(4, 4)
    rows[0]["finish_reason"] = "length"
    figures = scored(write_jsonl(tmp_path / "gqa.jsonl", rows), tmp_path / "run").figures
    assert figures["n_truncated"] == 1
    assert figures["metrics"]["accuracy"]["value"] == 0.75
    assert figures["beside"] == {"truncated_read_as_text": 1.0}


def mmmu_row(number: int, prediction: str, subject: str = "Art") -> dict[str, object]:
    return {
        "id": f"validation_{subject}_{number}",
        "question_type": "multiple-choice",
        "options": "['cat', 'dog', 'bird', 'fish']",
        "answer": "A",
        "prediction": prediction,
    }


def test_guesses_are_counted_and_the_score_without_them_is_beside(tmp_path):
    rows = [mmmu_row(1, "A"), mmmu_row(2, "no idea"), mmmu_row(3, "A"), mmmu_row(4, "B")]
    path = write_jsonl(tmp_path / "mmmu.jsonl", rows)
    figures = scored(path, tmp_path / "run", "mmmu_val").figures
    assert figures["n_fallback"] == 1
    assert figures["beside"]["fallback_counted_wrong"] == 0.5


def test_subjects_of_mmmu_have_figures_of_their_own(tmp_path):
    rows = [mmmu_row(1, "A"), mmmu_row(2, "B"), mmmu_row(1, "A", "Art_Theory")]
    path = write_jsonl(tmp_path / "mmmu.jsonl", rows)
    figures = scored(path, tmp_path / "run", "mmmu_val").figures
    assert {name: one["value"] for name, one in figures["subgroups"].items()} == {
        "Art": 0.5,
        "Art_Theory": 1.0,
    }
    assert figures["subgroups"]["Art_Theory"]["ci95"] is None  # of one question


def test_mme_images_without_both_answers_are_left_out_and_counted(tmp_path):
    row = {"category": "count", "question_id": "1.png", "answer": "Yes", "prediction": "yes"}
    rows = [row, {**row, "answer": "No"}, {**row, "question_id": "2.png"}]
    path = write_jsonl(tmp_path / "mme.jsonl", rows)
    figures = scored(path, tmp_path / "run", "mme").figures
    assert figures["metrics"]["perception"]["value"] == 50.0
    assert figures["metrics"]["perception"]["unit"] == "points"
    assert figures["n_left_out"] == 1
    assert "cognition" not in figures["metrics"]


def test_a_rotation_with_an_error_leaves_its_mmbench_question_out(tmp_path):
    row = {"L2-category": "l", "category": "c", "A": "x", "B": "y", "C": "nan", "D": "nan"}
    rows = [
        {**row, "index": 1, "answer": "A", "prediction": "A"},
        {**row, "index": 1_000_001, "answer": "B", "prediction": "", "error": "timeout"},
        {**row, "index": 2, "answer": "A", "prediction": "A"},
    ]
    figures = scored(
        write_jsonl(tmp_path / "m.jsonl", rows), tmp_path / "run", "mmbench_en_dev"
    ).figures
    assert figures["metrics"]["accuracy"]["value"] == 1.0
    assert (figures["bootstrap"]["num_clusters"], figures["n_left_out"]) == (1, 1)


def test_a_whole_run_has_the_papers_rows_beside_it(tmp_path):
    rows = [mmmu_row(number, "A" if number <= 328 else "B") for number in range(1, 901)]
    figures = scored(
        write_jsonl(tmp_path / "mmmu.jsonl", rows), tmp_path / "run", "mmmu_val"
    ).figures
    assert figures["is_subset"] is False
    assert figures["paper"]["VARGPT (7B+2B)"]["value"] == pytest.approx(0.3644)
    assert figures["paper"]["VARGPT (7B+2B)"]["is_within_ci95"] is True
    assert figures["paper"]["LLaVA-1.5-hf (7B)"]["is_within_ci95"] is True


def test_a_subset_is_stamped_and_set_beside_no_paper(tmp_path):
    path = write_jsonl(tmp_path / "mmmu.jsonl", [mmmu_row(1, "A")])
    figures = scored(path, tmp_path / "run", "mmmu_val").figures
    assert (figures["is_subset"], figures["paper"]) == (True, {})


# Bad input.


def test_an_empty_file_is_an_error_and_no_score(tmp_path):
    path = write_jsonl(tmp_path / "gqa.jsonl", [])
    line = refusal("score", path, "--task", "gqa", "--out", tmp_path / "run")
    assert "no answer to gqa found, at least one expected" in line
    assert not (tmp_path / "run").exists()


def test_a_run_of_errors_alone_is_an_error_and_no_score(tmp_path):
    path = write_jsonl(tmp_path / "gqa.jsonl", gqa_rows(3, 3, error="timeout"))
    with pytest.raises(UserError, match="3 answers found, 3 errors among them, and none that"):
        scored(path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_item_answered_twice_is_named(tmp_path):
    rows = gqa_rows(2, 2)
    path = write_jsonl(tmp_path / "gqa.jsonl", [*rows, rows[1]])
    with pytest.raises(UserError, match="item 'q1' found twice"):
        scored(path, tmp_path / "run")


def test_a_table_with_two_answers_to_an_item_is_refused(tmp_path):
    folder = write_table(tmp_path / "a", [answer("q0", "left")] * 2, gqa_rows(1, 1))
    with pytest.raises(UserError, match="item 'q0' found twice"):
        scored(folder, tmp_path / "run")


def test_answers_of_two_models_in_one_file_are_refused(tmp_path):
    answers = [answer("q0", "left"), answer("q1", "left", model_sha256="c" * 64)]
    folder = write_table(tmp_path / "a", answers, gqa_rows(2, 2))
    with pytest.raises(UserError, match=r"model_sha256 'aaaa.* and 'cccc.* found, one for all"):
        scored(folder, tmp_path / "run")


def test_answers_under_two_generation_configs_are_refused(tmp_path):
    answers = [answer("q0", "left"), answer("q1", "left", generation_config_sha256="c" * 64)]
    folder = write_table(tmp_path / "a", answers, gqa_rows(2, 2))
    with pytest.raises(UserError, match="generation_config_sha256"):
        scored(folder, tmp_path / "run")


def test_answers_of_another_model_do_not_enter_a_run(tmp_path):
    scored(write_table(tmp_path / "a", [answer("q0", "left")], gqa_rows(1, 1)), tmp_path / "run")
    other = write_table(
        tmp_path / "b", [answer("q0", "left", model_sha256="c" * 64)], gqa_rows(1, 1)
    )
    with pytest.raises(UserError, match=r"a run of model_sha256 aaaa.* found, .* of cccc"):
        scored(other, tmp_path / "run")


def test_another_profile_does_not_enter_a_run(tmp_path):
    path = write_jsonl(tmp_path / "gqa.jsonl", gqa_rows(2, 2))
    scored(path, tmp_path / "run")
    with pytest.raises(UserError, match=r"a run of profile vargpt-0\.3\.0 found"):
        scored(path, tmp_path / "run", profile="lmms-eval-0.7.3")


def test_answers_to_unknown_items_are_refused(tmp_path):
    folder = write_table(tmp_path / "a", [answer("q9", "left")], gqa_rows(1, 1))
    with pytest.raises(UserError, match="an answer to item 'q9' found"):
        scored(folder, tmp_path / "run")


def test_a_table_without_items_says_where_they_belong(tmp_path):
    folder = write_table(tmp_path / "a", [answer("q0", "left")], gqa_rows(1, 1))
    (folder / "gqa.items.jsonl").unlink()
    with pytest.raises(UserError, match=r"gqa\.items\.jsonl: not found"):
        scored(folder, tmp_path / "run")


def test_a_table_of_other_tasks_names_them(tmp_path):
    folder = write_table(tmp_path / "a", [answer("q0", "left", task="mme")], gqa_rows(1, 1))
    with pytest.raises(UserError, match="answers to 'mme' found, to gqa expected"):
        scored(folder, tmp_path / "run")


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ({"id": "q0", "prediction": "left"}, "column 'answer' not found"),
        ({"answer": "left", "prediction": "left"}, "column 'id' not found"),
        ({"id": "q0", "answer": 3, "prediction": "left"}, "no text answer"),
        ({"id": "q0", "answer": "left"}, "no `prediction` found"),
        ({"id": "q0", "answer": "left", "prediction": 3}, "prediction is 3, a text or null"),
    ],
)
def test_rows_of_another_form_are_named(tmp_path, row, fault):
    with pytest.raises(UserError, match=fault):
        scored(write_jsonl(tmp_path / "gqa.jsonl", [row]), tmp_path / "run")


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "gqa.jsonl"
    path.write_text('{"id": "q0", "answer": "left", "prediction": "left"}\n{"id": \n')
    with pytest.raises(UserError, match=r"gqa\.jsonl, line 2: "):
        scored(path, tmp_path / "run")


def test_half_a_surrogate_pair_is_named_and_whole_ones_are_read(tmp_path):
    path = tmp_path / "gqa.jsonl"
    row = '{"id": "q%d", "answer": "left", "prediction": "%s"}\n'
    path.write_text(row % (0, "left\\ud83d\\ude00") + row % (1, "left\\ud83d"))
    with pytest.raises(UserError, match=r"gqa\.jsonl, line 2: half of a surrogate pair"):
        scored(path, tmp_path / "run")
    path.write_text(row % (0, "left\\ud83d\\ude00"))
    assert scored(path, tmp_path / "run").headline["value"] == 0.0


def test_figures_of_a_killed_run_are_not_taken_for_those_of_new_answers(tmp_path):
    scored(write_jsonl(tmp_path / "gqa.jsonl", gqa_rows(6, 3)), tmp_path / "run")
    new = write_jsonl(tmp_path / "gqa.jsonl", gqa_rows(6, 6))
    killed = (
        "import vargpt_eval.run_folder as folder, os\n"
        "folder.RunFolder.set_task = lambda *_: os.kill(os.getpid(), 9)\n"
        "from vargpt_eval.cli import main; main()"
    )
    command = ["score", str(new), "--task", "gqa", "--out", str(tmp_path / "run")]
    ran = subprocess.run([sys.executable, "-c", killed, *command], check=False)
    assert ran.returncode == -9
    done = scored(new, tmp_path / "run")
    assert (done.was_kept, done.headline["value"]) == (False, 1.0)


def test_unknown_tasks_and_profiles_are_answered_with_the_known(tmp_path):
    path = write_jsonl(tmp_path / "gqa.jsonl", gqa_rows(1, 1))
    line = refusal("score", path, "--task", "gqaa", "--out", tmp_path / "run")
    assert "no benchmark of this name, one of mmbench_en_dev, seedbench" in line
    with pytest.raises(UserError, match=r"one of vargpt-0\.3\.0, lmms-eval-0\.7\.3 expected"):
        scored(path, tmp_path / "run", profile="0.7.2")


def test_a_summary_that_is_no_json_is_not_overwritten(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "summary.json").write_text("{")
    path = write_jsonl(tmp_path / "gqa.jsonl", gqa_rows(1, 1))
    with pytest.raises(UserError, match=r"summary\.json: not readable as JSON"):
        scored(path, tmp_path / "run")
    assert (tmp_path / "run" / "summary.json").read_text() == "{"
