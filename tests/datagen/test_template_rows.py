"""Columns made at once say what is said of one row: ids, texts, chance."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_datagen.splitmix import choices, hashes, key_of, seeded_order
from vargpt_datagen.template_rows import (
    Chosen,
    Forms,
    Turns,
    forms_of,
    instruct_rows,
    sample_ids,
    turns_in,
)
from vargpt_datagen.wording_templates import WordingTemplate, shipped_templates
from vargpt_schema import INSTRUCT, Message, sample_id_of

TEXT = st.text(max_size=12)
FORMS = Forms(
    (WordingTemplate("p1", "Draw {caption}."), WordingTemplate("p2", "{caption}, please")),
    (WordingTemplate("a1", "Here is {caption}.<image_gen>"),),
)
IMAGES = pa.table(
    {
        "image_id": ["n01440764_1", "n01440764_2", "n01443537_3"],
        "image": ["train/a.JPEG", "train/b.JPEG", "train/c.JPEG"],
        "label": pa.array([0, 0, None], pa.int64()),
        "wnid": ["n01440764", "n01440764", None],
    }
)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT, TEXT), min_size=1, max_size=6))
@settings(derandomize=True, deadline=None, max_examples=50)
def test_sample_ids_are_those_of_single_rows(rows: list[tuple[str, str, str, str, str]]):
    sources, image_ids, paths, prompts, answers = (
        pa.array(column, pa.string()) for column in zip(*rows, strict=True)
    )
    found = sample_ids(sources, image_ids, paths, Turns(prompts, answers))
    assert found.to_pylist() == [
        sample_id_of(
            source, image_id, (path,), (Message("user", prompt), Message("assistant", answer))
        )
        for source, image_id, path, prompt, answer in rows
    ]


def test_ids_of_no_rows_are_none_and_of_a_slice_are_the_slices():
    none = pa.array([], pa.string())
    assert len(sample_ids(none, none, none, Turns(none, none))) == 0
    column = pa.array(["a", "b", "c"])
    every = sample_ids(column, column, column, Turns(column, column))
    part = column.slice(1, 2)
    assert sample_ids(part, part, part, Turns(part, part)).equals(every.slice(1, 2))


def test_rows_hold_the_caption_in_the_chosen_templates():
    captions = pa.array(["a dog", "a cat", "an owl"])
    chosen = Chosen(np.array([0, 1, 0], np.int32), np.zeros(3, np.int32))
    table = instruct_rows(IMAGES, captions, chosen, FORMS, source="imagenet", method="template")
    assert table.schema.equals(INSTRUCT.schema)
    assert INSTRUCT.row_faults and INSTRUCT.row_faults(table) == []
    row = table.to_pylist()[1]
    assert row["messages"] == [
        {"role": "user", "content": "a cat, please"},
        {"role": "assistant", "content": "Here is a cat.<image_gen>"},
    ]
    assert (row["images"], row["caption"], row["label"]) == (["train/b.JPEG"], "a cat", 0)
    assert (row["prompt_template_id"], row["answer_template_id"]) == ("p2", "a1")
    assert (row["shot_ids"], row["generator"], row["attempts"]) == ([], None, None)
    assert table.column("label").to_pylist() == [0, 0, None]
    turns = turns_in(table)
    assert turns
    assert turns.prompts.to_pylist() == ["Draw a dog.", "a cat, please", "Draw an owl."]
    assert turns.answers.to_pylist()[2] == "Here is an owl.<image_gen>"


def test_rows_of_more_than_two_turns_have_no_single_request():
    captions = pa.array(["a dog", "a cat", "an owl"])
    chosen = Chosen(np.zeros(3, np.int32), np.zeros(3, np.int32))
    table = instruct_rows(IMAGES, captions, chosen, FORMS, source="imagenet", method="template")
    rows = table.to_pylist()
    rows[2]["messages"] = [*rows[2]["messages"], *rows[2]["messages"]]
    assert turns_in(pa.Table.from_pylist(rows, schema=INSTRUCT.schema)) is None


def test_answers_of_a_training_set_end_with_the_picture():
    forms = forms_of(shipped_templates())
    assert {each.text[-12:] for each in forms.answers} == {".<image_gen>"}
    assert len(forms.prompts) == 304


def test_hashes_are_splitmix64():
    # The first outputs of the reference implementation, seeded with 0 and with 1234567.
    assert hashes(np.uint64(0), np.arange(3)).tolist() == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]
    assert hashes(np.uint64(1234567), np.arange(2)).tolist() == [
        6457827717110365317,
        3203168211198807973,
    ]


def test_an_order_is_a_permutation_that_its_key_decides():
    order = seeded_order(key_of("a", 1), 1_000)
    assert sorted(order.tolist()) == list(range(1_000))
    assert order.tolist() == seeded_order(key_of("a", 1), 1_000).tolist()
    assert order.tolist() != seeded_order(key_of("a", 2), 1_000).tolist()


@pytest.mark.parametrize("size", [2, 96, 304])
def test_choices_are_even_and_do_not_depend_on_other_rows(size: int):
    numbers = np.arange(size * 400)
    found = choices(key_of("x"), numbers, size)
    counts = np.bincount(found, minlength=size)
    statistic = float(((counts - 400) ** 2 / 400).sum())
    assert statistic < size + 5 * (2 * size) ** 0.5
    assert found[7:9].tolist() == choices(key_of("x"), np.array([7, 8]), size).tolist()
