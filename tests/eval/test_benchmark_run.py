"""Asking a model: what is stored, what is asked again, what is counted, what is refused."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.eval.hub_layout import all_benchmarks, drawn_world, gqa, write
from vargpt_eval.answering.answerer import Answer, Asked
from vargpt_eval.benchmark.manifest import benchmarks
from vargpt_eval.benchmark.run import run_benchmarks
from vargpt_schema import ANSWERS, EVAL_SAMPLES, UserError


@dataclass
class FakeAnswerer:
    """Says `red` to everything and remembers what it was asked; fails on a word."""

    fails_on: str | None = None
    finish_reason: str = "stop"
    wanted_images: list[bool] | None = None  # one an answer, from the first
    asked: list[str] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def __call__(self, folder, *, dtype, device):  # noqa: ARG002
        return self

    def answers(self, asked: Sequence[Asked], max_new_tokens: int) -> list[Answer]:
        if self.fails_on and any(self.fails_on in one.prompt for one in asked):
            raise RuntimeError("out of memory")
        self.asked += [one.prompt for one in asked]
        self.batches.append(len(asked))
        wanted = self.wanted_images or [None] * len(asked)
        return [
            Answer("red", self.finish_reason, max_new_tokens, wanted.pop(0))  # pyright: ignore
            for _ in asked
        ]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "config.json").write_text(json.dumps({"model_type": "llava"}))
    return folder


def run(model: Path, task: str, **options):
    data, out = model.parent / "data", model.parent / "run"
    fake = options.pop("fake", FakeAnswerer())
    done = run_benchmarks(model, [task], data, out, open_model=fake, **options)
    return done[0], fake


@pytest.mark.parametrize("name", [name for name in benchmarks() if name != "world_questions"])
def test_every_benchmark_is_answered_stored_and_scored(name, model):
    all_benchmarks(model.parent / "data")
    done, fake = run(model, name)
    stored = list(ANSWERS.records(model.parent / "run" / "answers" / f"{name}.parquet"))
    assert [one.prompt for one in stored] == fake.asked
    assert {(one.task, one.raw_response, one.error) for one in stored} == {(name, "red", None)}
    assert done.num_answers == len(stored)
    assert (done.score is None) == (name == "llava_bench")
    if done.score is not None:
        samples = EVAL_SAMPLES.records(model.parent / "run" / "samples" / name)
        assert [one.sample_id for one in samples] == [one.sample_id for one in stored]


def test_the_share_of_answers_that_wanted_an_image_is_told_of_a_model_that_draws(model):
    gqa(model.parent / "data")
    fake = FakeAnswerer(wanted_images=[True, False, False, False, False, True])
    done, _ = run(model, "gqa", fake=fake, batch_size=2)
    assert done.score is not None
    share = done.score.figures["wanted_image"]
    assert (share["value"], share["n"]) == (0.333333, 6)


def test_nothing_is_told_of_images_wanted_by_a_model_that_draws_none(model):
    gqa(model.parent / "data")
    done, _ = run(model, "gqa")
    assert done.score is not None
    assert "wanted_image" not in done.score.figures


def test_scores_tokens_and_time_are_in_the_samples(model):
    gqa(model.parent / "data")
    done, _ = run(model, "gqa")
    assert done.score is not None
    assert done.score.headline["value"] == 1.0
    assert done.score.figures["is_subset"]
    samples = list(EVAL_SAMPLES.records(model.parent / "run" / "samples" / "gqa"))
    assert {one.n_tokens for one in samples} == {16}
    assert all(one.latency_ms is not None and one.latency_ms >= 0 for one in samples)


def test_questions_about_drawn_scenes_leave_training_scenes_out(model):
    drawn_world(model.parent / "data", [0, 2_000_000, 3_000_000])
    done, _ = run(model, "world_questions")
    assert done.score is not None
    ids = {
        one.sample_id.split()[0]
        for one in EVAL_SAMPLES.records(model.parent / "run" / "samples" / "world_questions")
    }
    assert ids == {"world-02000000", "world-03000000"}
    assert not done.score.figures["is_subset"]


def test_a_finished_run_asks_nothing_and_a_higher_limit_only_the_new_items(model):
    gqa(model.parent / "data")
    _, first = run(model, "gqa", limit=2)
    _, again = run(model, "gqa", limit=2)
    done, more = run(model, "gqa", limit=5)
    assert [len(fake.asked) for fake in (first, again, more)] == [2, 0, 3]
    assert done.num_answers == 5


def test_an_error_is_counted_and_asked_again_only_when_told_to(model):
    gqa(model.parent / "data")
    done, _ = run(model, "gqa", fake=FakeAnswerer(fails_on="is 3"))
    assert done.score is not None
    assert (done.num_errors, done.score.figures["n_error"]) == (1, 1)
    assert done.score.headline["value"] == 1.0
    stored = list(ANSWERS.records(model.parent / "run" / "answers" / "gqa.parquet"))
    assert [one.error for one in stored if one.error] == ["RuntimeError: out of memory"]
    _, kept = run(model, "gqa")
    done, retried = run(model, "gqa", retry_errors=True)
    assert (len(kept.asked), len(retried.asked), done.num_errors) == (0, 1, 0)


def test_in_a_batch_that_fails_only_the_faulty_question_is_an_error(model):
    gqa(model.parent / "data")
    done, fake = run(model, "gqa", batch_size=3, fake=FakeAnswerer(fails_on="is 4"))
    assert (done.num_errors, fake.batches) == (1, [3, 1, 1])


def test_an_answer_that_was_cut_off_is_counted(model):
    gqa(model.parent / "data")
    done, _ = run(model, "gqa", fake=FakeAnswerer(finish_reason="length"))
    assert done.score is not None
    assert (done.num_truncated, done.score.figures["n_truncated"]) == (6, 6)


def test_an_image_that_cannot_be_read_is_an_error_of_its_question(model):
    data = model.parent / "data"
    gqa(data)
    path = data / "GQA/testdev_balanced_images/testdev-00000-of-00001.parquet"
    from tests.eval.hub_layout import IMAGE, TEXT, image

    rows = [{"id": "n0", "image": image()}, {"id": "n1", "image": {"bytes": b"no", "path": "x"}}]
    write(path, rows, {"id": TEXT, "image": IMAGE})
    done, _ = run(model, "gqa")
    assert (done.num_answers, done.num_errors) == (6, 3)


def test_nothing_but_errors_stops_the_run(model):
    gqa(model.parent / "data", 30)
    with pytest.raises(UserError, match=r"no answer but 20 errors found.*--retry-errors"):
        run(model, "gqa", fake=FakeAnswerer(fails_on="What"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"question": None}, r"column 'question' not found"),
        ({"answer": None}, r"column 'answer' not found"),
        ({"answer": "perhaps"}, r"answer 'perhaps' is neither yes nor no"),
    ],
)
def test_a_row_that_cannot_be_asked_or_scored_is_named_before_the_model_is_loaded(
    change, expected, model
):
    from tests.eval.hub_layout import IMAGE, TEXT, image

    row = {"question_id": "1", "question": "A cat?", "answer": "yes", "image": image()} | change
    row = {name: value for name, value in row.items() if value is not None}
    columns = {name: IMAGE if name == "image" else TEXT for name in row}
    write(model.parent / "data/POPE/Full/random-00000-of-00001.parquet", [row], columns)
    fake = FakeAnswerer()
    with pytest.raises(UserError, match=rf"POPE, row 1 of pope_random: {expected}"):
        run(model, "pope_random", fake=fake)
    assert fake.asked == []


def test_a_question_about_a_picture_is_not_asked_without_it(model):
    from tests.eval.hub_layout import TEXT

    rows = [{"question_id": "1", "question": "A cat?", "answer": "yes"}]
    path = model.parent / "data/POPE/Full/random-00000-of-00001.parquet"
    write(path, rows, dict.fromkeys(rows[0], TEXT))
    fake = FakeAnswerer()
    with pytest.raises(UserError, match=r"row 0 has no 'image', an image expected"):
        run(model, "pope_random", fake=fake)
    assert fake.asked == []


def test_images_of_other_columns_are_refused(model):
    from tests.eval.hub_layout import IMAGE, TEXT, image

    gqa(model.parent / "data")
    path = model.parent / "data/GQA/testdev_balanced_images/testdev-00000-of-00001.parquet"
    write(path, [{"name": "n0", "image": image()}], {"name": TEXT, "image": IMAGE})
    with pytest.raises(UserError, match=r"columns name, image found, `id` and `image` expected"):
        run(model, "gqa")


def test_a_file_that_is_damaged_inside_is_named(model):
    gqa(model.parent / "data")
    path = model.parent / "data/GQA/testdev_balanced_images/testdev-00000-of-00001.parquet"
    data = bytearray(path.read_bytes())
    data[4:60] = bytes(56)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"testdev-00000-of-00001\.parquet: not a readable"):
        run(model, "gqa")


def test_no_name_of_a_benchmark_is_refused(model):
    with pytest.raises(UserError, match="--tasks: no name found"):
        run_benchmarks(model, [], model.parent / "data", model.parent / "run")


def test_another_model_in_the_same_folder_is_refused(model):
    gqa(model.parent / "data")
    run(model, "gqa")
    (model / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(UserError, match=r"started with another configuration \(model_sha256"):
        run(model, "gqa")


def test_another_profile_in_the_same_folder_is_refused(model):
    gqa(model.parent / "data")
    run(model, "gqa")
    with pytest.raises(UserError, match=r"profile: started with 'vargpt-0\.3\.0'"):
        run(model, "gqa", profile="lmms-eval-0.7.3")


def test_missing_data_is_refused_with_the_command_that_gets_it(model):
    with pytest.raises(UserError, match="hf download lmms-lab-encoder/MME --repo-type dataset"):
        run(model, "mme")


def test_data_without_a_row_is_refused(model):
    from tests.eval.hub_layout import TEXT

    for folder in ("testdev_balanced_instructions", "testdev_balanced_images"):
        path = model.parent / f"data/GQA/{folder}/testdev-00000-of-00001.parquet"
        write(path, [], {"id": TEXT, "imageId": TEXT})
    with pytest.raises(UserError, match="no row of gqa found"):
        run(model, "gqa")


def test_items_that_are_there_twice_are_refused(model):
    data = model.parent / "data"
    gqa(data)
    folder = data / "GQA/testdev_balanced_instructions"
    (folder / "testdev-00001-of-00002.parquet").write_bytes(
        (folder / "testdev-00000-of-00001.parquet").read_bytes()
    )
    with pytest.raises(UserError, match="item '200' found twice"):
        run(model, "gqa")


def test_an_unknown_benchmark_is_refused_with_the_known_ones(model):
    with pytest.raises(
        UserError, match="no benchmark of this name, one of world_questions, mmbench"
    ):
        run(model, "mnist")


def test_a_folder_without_a_model_is_refused(model):
    (model / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no weights found"):
        run(model, "gqa")
