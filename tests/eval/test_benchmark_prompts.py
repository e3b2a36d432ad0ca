"""Every benchmark's question is worded as lmms-eval words it, from rows in the hub's layout."""

import pytest

from tests.eval.hub_layout import all_benchmarks
from vargpt_eval.benchmark.manifest import benchmark_named, benchmarks
from vargpt_eval.benchmark.rows import read_asked, read_items
from vargpt_eval.scoring.task import TASKS

SHORT = "\nAnswer the question using a single word or phrase."
LETTER = "\nAnswer with the option's letter from the given choices directly."
UNANSWERABLE = "\nWhen the provided information is insufficient, respond with 'Unanswerable'."
OPTIONS = "There are several options:\nA. cat\nB. dog\n"
EXPECTED = {
    "mmbench_en_dev": [
        (f"What is red? {OPTIONS}{LETTER}", 1),
        (f"Look. What is red? There are several options:\nA. dog\nB. cat\n{LETTER}", 1),
    ],
    "seedbench": [
        (f"How many?\nA. 1\nB. 2\nC. 3\nD. 4{LETTER}", 1),
        (f"How many?\nA. 1\nB. 2\nC. 3\nD. 4{LETTER}", 2),
    ],
    "mmmu_val": [
        (f"Which is <image 2>, not <image 1>?\nA. red\nB. it's blue\n{LETTER}", 2),
        (f"Sum of <image 1>?\n{SHORT}", 1),
    ],
    "pope_adv": [(f"Is there a cat {number}?{SHORT}", 1) for number in range(6)],
    "mme": [(f"Is it {word}?{SHORT}", 1) for word in ("red", "blue", "red", "blue")],
    "gqa": [(f"What is {number}?{SHORT}", 1) for number in range(6)],
    "textvqa_val": [(f"What is the brand of this dakota camera?{SHORT}", 1)],
    "vqav2_val": [(f"What is behind?{SHORT}", 1)],
    "scienceqa_img": [
        (f"Which?\nA. a\nB. b{LETTER}", 1),
        (f"Context: Read.\nWhat?\nA. a\nB. b\nC. c{LETTER}", 1),
    ],
    "ok_vqa_val2014": [(f"What sport?{UNANSWERABLE}{SHORT}", 1)],
    "vizwiz_vqa_val": [(f"Ok. there is another picture{UNANSWERABLE}{SHORT}", 1)],
    "llava_bench": [(f"Describe <b>scene</b> {number}.", 1) for number in range(4)],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_row_of_the_hub_is_asked_as_lmms_eval_asks_it(name, tmp_path):
    data = all_benchmarks(tmp_path)
    benchmark = benchmark_named(name)
    rows = read_items(benchmark, data)
    asked = list(read_asked(benchmark, data, range(len(rows))))
    found = [(benchmark.prompt_of(one.row), len(one.images)) for one in asked]
    assert found == EXPECTED[name]


@pytest.mark.parametrize("name", [name for name in TASKS if name != "world_questions"])
def test_the_rows_hold_what_the_scorer_reads(name, tmp_path):
    data = all_benchmarks(tmp_path)
    task = TASKS[name]
    rows = read_items(benchmark_named(name), data)
    for row, sample_id in zip(rows, task.ids(rows), strict=True):
        assert task.item(row, sample_id).targets


def test_only_the_positions_asked_for_are_read_across_row_groups(tmp_path):
    data = all_benchmarks(tmp_path)
    asked = read_asked(benchmark_named("pope_pop"), data, {1, 2, 5})
    assert [(one.position, one.row["question_id"]) for one in asked] == [
        (1, "2"),
        (2, "3"),
        (5, "6"),
    ]


def test_mmmu_images_come_in_the_order_of_their_numbers(tmp_path):
    data = all_benchmarks(tmp_path)
    first = next(read_asked(benchmark_named("mmmu_val"), data, {0}))
    assert [image.name for image in first.images] == ["one", "two"]


@pytest.mark.parametrize(
    ("hint", "start"),
    [
        ("nan", "Why?"),
        (None, "Why?"),
        (float("nan"), "Why?"),
        ("Look.", "Look. Why?"),
        ("", " Why?"),
    ],
)
def test_a_hint_of_mmbench_stands_before_the_question_unless_it_is_missing(hint, start):
    row = {"question": "Why?", "hint": hint, "A": "cat", "B": "", "C": "nan", "D": None}
    expected = f"{start} There are several options:\nA. cat\n{LETTER}"
    assert benchmark_named("mmbench_en_dev").prompt_of(row) == expected


def test_every_scored_benchmark_is_in_the_manifest_and_one_more_is_asked():
    assert set(benchmarks()) == {*TASKS, "llava_bench"}


def test_answers_may_be_as_long_as_each_profile_lets_them():
    lengths = {
        name: (one.max_new_tokens_of("vargpt-0.3.0"), one.max_new_tokens_of("lmms-eval-0.7.3"))
        for name, one in benchmarks().items()
    }
    assert lengths["mmmu_val"] == (16, 128)
    assert lengths["pope_adv"] == (128, 128)
    assert lengths["textvqa_val"] == (1024, 1024)
    assert lengths["gqa"] == (16, 16)
