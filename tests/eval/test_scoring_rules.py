"""What each scorer makes of answers that models give, written out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vargpt_eval.scoring.choice_text import likeliest_letter
from vargpt_eval.scoring.contractions import CONTRACTIONS
from vargpt_eval.scoring.item import BenchmarkItem
from vargpt_eval.scoring.mmbench import prefetched_letter
from vargpt_eval.scoring.mme import yes_no
from vargpt_eval.scoring.mmmu import choice_letter, score_mmmu, seeded_choice
from vargpt_eval.scoring.mmmu_open import is_open_right, open_candidates
from vargpt_eval.scoring.pope import lenient_yes_no
from vargpt_eval.scoring.profile import PROFILES
from vargpt_eval.scoring.scienceqa import score_scienceqa
from vargpt_eval.scoring.seed import score_seed
from vargpt_eval.scoring.task import TASKS
from vargpt_eval.scoring.vqa import score_vqa, score_vqav2, vqa_agreement
from vargpt_eval.scoring.vqa_answer import evalai_form, vqa_form

FOUR = {"A": "cat", "B": "dog", "C": "bird", "D": "fish"}


def item_with(*targets: str, options: tuple[str, ...] = ()) -> BenchmarkItem:
    return BenchmarkItem(sample_id="7", cluster_id="7", targets=targets, options=options)


@pytest.mark.parametrize(
    ("matches", "score"), [(0, 0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1), (10, 1)]
)
def test_vqa_agreement_of_ten_humans_follows_the_closed_form(matches, score):
    assert vqa_agreement(matches, 10) == score


def test_vqa_agreement_without_human_answers_is_zero():
    assert score_vqa("yes", item_with(), "vargpt-0.3.0").score == 0.0


def test_identical_human_answers_are_not_evened_out_in_the_authors_release():
    item = item_with(*["t-shirt"] * 10)
    assert score_vqav2("t-shirt", item, "vargpt-0.3.0").score == 0.0
    assert score_vqav2("t-shirt", item, "lmms-eval-0.7.3").score == 1.0


def test_at_most_32_periods_are_deleted():
    assert vqa_form("." * 40) == "." * 8


def test_a_comma_between_digits_deletes_every_mark():
    assert vqa_form("1,000/2,000") == "10002000"
    assert evalai_form("black/white") == "black white"


def test_contractions_know_both_halves_of_double_ones():
    assert CONTRACTIONS["couldn'tve"] == CONTRACTIONS["couldnt've"] == "couldn't've"
    assert len(CONTRACTIONS) == 114


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("B", "B"),
        ("(B)", "B"),
        ("B.", "B"),
        ("(A) or (C)", "C"),
        ("A B", "B"),
        ("DNA", "A"),  # "A " once the response is padded
        ("It must surely be the dog there", "B"),
        ("dog", None),  # option texts are read in responses of over five words only
        ("b", None),
        ("", None),
    ],
)
def test_mmmu_letters(response, letter):
    assert choice_letter(response, FOUR) == letter


def test_mmmu_guesses_are_the_same_whatever_was_scored_before():
    item = item_with("A", options=("w", "x", "y", "z"))
    first = score_mmmu("", item, "vargpt-0.3.0")
    score_mmmu(
        "",
        BenchmarkItem(sample_id="8", cluster_id="8", targets=("A",), options=("w", "x")),
        "vargpt-0.3.0",
    )
    assert score_mmmu("", item, "vargpt-0.3.0") == first
    assert first.is_fallback


def test_mmmu_guesses_are_spread_over_the_choices():
    guesses = [seeded_choice(f"validation_Art_{number}", list("ABCD")) for number in range(400)]
    assert all(70 <= guesses.count(letter) <= 130 for letter in "ABCD")


@pytest.mark.parametrize(
    ("response", "target", "is_right"),
    [
        ("The answer is 8.00", "8", True),
        ("so x = 3.14159", "3.14", True),
        ("18", "8", False),
        ("$1,234.50", "1234.5", False),  # read as 1234 and 234.5
        ("1,234", "1234", True),
        ("it is a lion", "lion", True),
        ("first line is wrong\nparis", "paris", False),  # the cue's line wins, the last has none
    ],
)
def test_mmmu_open_answers(response, target, is_right):
    assert is_open_right(open_candidates(response), (target,)) is is_right


def test_a_cue_without_words_behind_it_leaves_the_whole_response():
    assert open_candidates("so .") == {"so"}


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("B", "B"),
        ("(C).", "C"),
        ("the dog", "B"),
        ("a cat and a dog", None),
        ("A dog is in it", "B"),  # "A" with more than three words may be the article
        ("E", "E"),
        ("", None),
    ],
)
def test_mmbench_prefetch(response, letter):
    assert prefetched_letter(response, FOUR) == letter


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("The answer is B, not C", "C"),  # a letter at the end tells more than the phrase
        ("The answer is B, I think", "B"),
        ("C) because", "C"),
        ("b", ""),
        ("Both (A) and (D)", "D"),
        ("", ""),
    ],
)
def test_static_choice_reading(response, letter):
    assert likeliest_letter(response, list("ABCD")) == letter


def test_seed_takes_the_first_character():
    assert score_seed("Answer: B.", item_with("A"), "vargpt-0.3.0").score == 1.0
    assert score_seed("(C)", item_with("C"), "vargpt-0.3.0").score == 0.0


@pytest.mark.parametrize("profile", PROFILES)
def test_scienceqa_reads_a_letter_and_period_in_the_later_release_alone(profile):
    found = score_scienceqa("B. the dog", item_with("B"), profile).score
    assert found == (1.0 if profile == "lmms-eval-0.7.3" else 0.0)


@pytest.mark.parametrize(
    ("response", "label"),
    [("Yes.", "yes"), ("know", "no"), ("n", "no"), ("x", "other"), ("", "other"), ("...", "other")],
)
def test_mme_labels(response, label):
    assert yes_no(response) == label


@pytest.mark.parametrize(
    ("response", "label"), [("Yes, two.", "yes"), ("There is not. Yes", "no"), ("Nope", "yes")]
)
def test_lenient_pope_reads_the_first_sentence(response, label):
    assert lenient_yes_no(response) == label


@given(st.lists(st.sampled_from(["cat", "dog", "a cat", "Cat.", "two", "2"]), max_size=12))
def test_vqa_score_is_the_mean_over_answers_left_out_in_turn(answers):
    forms = [evalai_form(answer) for answer in answers]
    left_out = [min(1.0, (forms.count("cat") - (form == "cat")) / 3) for form in forms]
    expected = sum(left_out) / len(left_out) if left_out else 0.0
    found = score_vqa("the cat", item_with(*answers), "vargpt-0.3.0")
    assert found.score == pytest.approx(expected)


@given(st.text(), st.text())
def test_no_text_breaks_a_scorer_or_leaves_0_to_1(response, target):
    with_options, without = item_with(target, options=("w", "x", "y", "z")), item_with(target)
    for task in TASKS.values():
        for profile in PROFILES:
            for item in (with_options, without):
                assert 0.0 <= task.score(response.strip(), item, profile).score <= 1.0
