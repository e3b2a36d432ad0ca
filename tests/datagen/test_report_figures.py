"""Figures of the report on texts small enough to count by hand."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_datagen.report import texts, words
from vargpt_datagen.report.diversity import Forms, distinct_ngram_frac, forms, openings, recall
from vargpt_datagen.report.plots import HEIGHT, WIDTH, length_plot, share_plot, use_plot
from vargpt_datagen.report.uniformity import chi_square_tail, uniformity
from vargpt_datagen.report.words import stem, words_of


def column(*texts: str | None) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.string())])


def forms_of(side: pa.ChunkedArray, captions: pa.ChunkedArray) -> Forms:
    measured, masking = words_of(side, captions)
    return forms(measured, masking)


def test_words_are_lower_case_without_punctuation_and_may_be_none():
    (found,) = words_of(column("Hi, it's a DOG!", "", None, "'quoted' -- caf\u00e9"))
    assert [found.vocabulary.words[at] for at in found.ids] == [
        "hi", "it's", "a", "dog", "quoted", "caf\u00e9",
    ]  # fmt: skip
    assert found.rows.tolist() == [0, 0, 0, 0, 3, 3]
    assert found.lengths.tolist() == [4, 0, 0, 2]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("dogs", "dog"),
        ("boxes", "box"),
        ("standing", "stand"),
        ("sitting", "sit"),
        ("horse", "hors"),
        ("horses", "hors"),
        ("red", "red"),
        ("ring", "ring"),
        ("dog's", "dog"),
    ],
)
def test_endings_are_ignored_where_enough_is_left(word: str, expected: str):
    assert stem(word) == expected


def test_distinct_ngrams_are_counted_within_rows():
    (found,) = words_of(column("a b a b", "a b"))
    assert distinct_ngram_frac(found, 1) == 2 / 6
    assert distinct_ngram_frac(found, 2) == 2 / 4  # ab, ba of ab ba ab | ab
    assert distinct_ngram_frac(found, 3) == 2 / 2
    assert distinct_ngram_frac(found, 5) == 0.0


def test_openings_are_the_first_three_words_or_fewer():
    (found,) = words_of(column("Show me a dog", "show me a cat!", "Hi", "Can you"))
    result = openings(found)
    assert (result.distinct, result.entropy_bits) == (3, 1.5)
    assert result.equally_common == pytest.approx(2**1.5)
    assert result.top[0] == ("show me a", 2)
    assert {item.text for item in result.top[1:]} == {"hi", "can you"}


@pytest.mark.parametrize(
    ("text", "caption", "expected"),
    [
        ("Please draw a dog on a sofa.", "a dog on a sofa", "please draw \u2026"),
        (
            "Draw dogs sitting by the big red barn",
            "a dog sits by a red barn",
            "draw \u2026 by the big \u2026",
        ),
        ("A photo of a cat, please", "a cat", "a photo of \u2026 please"),
        ("Show me something", "a cat", "show me something"),
    ],
)
def test_a_form_is_the_text_without_the_captions_words(text: str, caption: str, expected: str):
    assert forms_of(column(text), column(caption)).top[0].text == expected


def test_forms_of_different_captions_are_counted_together():
    requests = column("Draw a dog on grass.", "Draw the red car.", "I need a cat.", "Draw a box!")
    captions = column("a dog on grass", "a red car", "a cat", "the boxes")
    found = forms_of(requests, captions)
    assert (found.distinct, found.largest_frac, found.top_10_frac) == (2, 0.75, 1.0)
    assert found.top[0] == ("draw \u2026", 3)


def test_a_word_of_another_rows_caption_is_not_masked():
    found = forms_of(column("Draw a dog", "Draw a dog"), column("a dog", "a cat"))
    assert {item.text for item in found.top} == {"draw \u2026", "draw a dog"}


def test_recall_is_the_share_of_distinct_content_stems_that_come_again():
    requests = column("two dogs on sand", "nothing here", "anything", "a cat, a cat")
    captions = column("two dogs run on the beach", "a red barn", "of the", "a cat and a cat")
    assert recall(*words_of(requests, captions)).tolist() == [0.5, 0.0, 1.0]


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(*[st.text("ab c'd.", max_size=12)] * 2), min_size=1, max_size=8),
    st.integers(1, 3),
)
def test_measuring_in_parts_changes_nothing(rows: list[tuple[str, str]], part_rows: int):
    left, right = words_of(*(column(*side) for side in zip(*rows, strict=True)))
    whole = (forms(left, right), recall(left, right).tolist())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "_ROWS_AT_ONCE", part_rows)
        left, right = words_of(*(column(*side) for side in zip(*rows, strict=True)))
        assert (forms(left, right), recall(left, right).tolist()) == whole


def test_large_builds_are_measured_on_a_seeded_sample(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(texts, "MAX_MEASURED_ROWS", 4)
    captions = column(*[f"a dog {number}" for number in range(9)], "a dog 8")
    parts: dict[texts.Part, pa.ChunkedArray] = {"prompts": captions, "captions": captions}
    found = texts.measure_texts(parts.get)
    assert (found.measured_rows, found.all_rows) == (4, 10)
    assert found.sides[0].distinct == 9
    assert sum(bar_rows(bar.label) for bar in found.lengths[0].plot.bars) == 4


def bar_rows(label: str) -> int:
    return int(label.split(": ")[1].removesuffix(" rows").replace(",", ""))


# Table values of the chi-square distribution.
@pytest.mark.parametrize(
    ("statistic", "degrees", "expected"),
    [
        (3.841459, 1, 0.05),
        (6.634897, 1, 0.01),
        (18.307038, 10, 0.05),
        (3.940299, 10, 0.95),
        (124.342113, 100, 0.05),
        (77.929465, 100, 0.95),
        (149.449253, 100, 0.001),
        (0.0, 5, 1.0),
    ],
)
def test_the_chi_square_tail_is_the_tables(statistic: float, degrees: int, expected: float):
    assert chi_square_tail(statistic, degrees) == pytest.approx(expected, rel=1e-4)


def test_the_chi_square_tail_of_two_degrees_is_exponential():
    for statistic in (0.1, 1.0, 5.0, 50.0, 700.0):
        assert chi_square_tail(statistic, 2) == pytest.approx(np.exp(-statistic / 2), rel=1e-9)


def test_even_draws_pass_and_a_favoured_member_does_not():
    draws = np.random.default_rng(0).integers(0, 50, 10_000)
    counts = np.bincount(draws, minlength=50).tolist()
    even = uniformity(counts, 10_000)
    assert even
    assert even.expected == 200
    assert even.p_value > 0.05
    assert sum(even.low <= count <= even.high for count in counts) >= 45
    counts[7] += 150
    uneven = uniformity(counts, 10_150)
    assert uneven
    assert uneven.p_value < 1e-6


def test_draws_without_replacement_give_p_values_spread_over_0_to_1():
    generator = np.random.default_rng(0)
    p_values: list[float] = []
    for _ in range(200):
        drawn = generator.random((500, 8)).argsort(axis=1)[:, :4]  # 4 of 8, each row anew
        even = uniformity(np.bincount(drawn.ravel(), minlength=8).tolist(), 500, draws=4)
        assert even
        p_values.append(even.p_value)
    assert 0.4 < np.mean(p_values) < 0.6  # unscaled it would be near 0.9
    assert 0.02 < np.mean(np.array(p_values) < 0.1) < 0.2


def test_too_few_rows_are_not_tested_for_even_use():
    assert uniformity([1, 2, 1], rows=4) is None
    assert uniformity([60], rows=60) is None


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_every_plot_stays_on_its_paper_and_counts_every_row(numbers: list[int]):
    lengths = length_plot("Request", np.array(numbers))
    shares = share_plot("Request", np.array(numbers) / 400)
    used = use_plot("Seeds", numbers, ["seed"] * len(numbers), uniformity(numbers, sum(numbers)))
    for plot in (lengths, shares, used):
        for bar in plot.bars:
            assert -0.01 <= bar.x <= bar.x + bar.width <= WIDTH + 0.01
            assert -0.01 <= bar.y <= bar.y + bar.height <= HEIGHT + 0.01
        assert len(plot.bars) <= 60
        assert 2 <= len(plot.y_ticks) <= 6
        places = [tick.at for tick in plot.x_ticks]
        assert places == sorted(places)
        assert all(0 <= place <= WIDTH for place in places)
    assert sum(bar_rows(bar.label) for bar in lengths.bars) == len(numbers)
    assert sum(bar_rows(bar.label) for bar in shares.bars) == len(numbers)


def test_a_bar_is_as_high_as_its_rows_and_ticks_are_round():
    plot = length_plot("Request", np.array([5, 5, 5, 5, 7, 7]))
    assert [bar.label for bar in plot.bars] == [
        "5 words: 4 rows",
        "6 words: 0 rows",
        "7 words: 2 rows",
    ]
    assert plot.bars[0].height == pytest.approx(2 * plot.bars[2].height)
    assert [tick.label for tick in plot.y_ticks] == ["0", "1", "2", "3", "4"]
    assert [tick.label for tick in plot.x_ticks] == ["5", "6", "7"]
