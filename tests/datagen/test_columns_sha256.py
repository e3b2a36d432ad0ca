"""Fingerprints of columns: what changes them, and what does not."""

import pyarrow as pa
import pytest

from vargpt_datagen.columns_sha256 import columns_sha256

TEXTS = ["a", "bc", None, "", "d\u00e9"]


def table(texts, labels=(1, 2, None, 4, -5), names=("text", "label")) -> pa.Table:
    columns = [pa.array(texts, pa.string()), pa.array(labels[: len(texts)], pa.int64())]
    return pa.table(columns, names=list(names))


def test_neither_chunks_nor_slices_nor_dictionaries_matter():
    whole = table(TEXTS)
    chunked = pa.concat_tables([whole.slice(0, 2), whole.slice(2, 0), whole.slice(2, 3)])
    sliced = pa.concat_tables([table(["x"]), whole, table(["y"])]).combine_chunks().slice(1, 5)
    coded = whole.set_column(0, "text", whole.column("text").dictionary_encode())
    said = columns_sha256(["s"], whole)
    assert {columns_sha256(["s"], each) for each in (chunked, sliced, coded)} == {said}


def test_blocks_make_no_difference_to_long_columns():
    long = table(["ab"] * 120_001, labels=range(120_001))
    chunked = pa.concat_tables([long.slice(0, 70_001), long.slice(70_001)])
    assert columns_sha256([], long) == columns_sha256([], chunked)
    last = pa.concat_tables([long.slice(0, 120_000), table(["ac"], labels=[120_000])])
    assert columns_sha256([], long) != columns_sha256([], last)


@pytest.mark.parametrize(
    "other",
    [
        table(["ab", "c", None, "", "d\u00e9"]),  # the same bytes, cut elsewhere
        table(["a", "bc", "", "", "d\u00e9"]),
        table(["a", "bc", None, None, "d\u00e9"]),
        table(["a", "bc", None, "", "de"]),
        table(TEXTS, labels=(1, 2, 0, 4, -5)),
        table(TEXTS, labels=(1, 2, None, 4, 5)),
        table(TEXTS, names=("text", "number")),
        table(TEXTS[:4]),
    ],
)
def test_every_change_of_a_value_null_or_name_matters(other):
    assert columns_sha256([], other) != columns_sha256([], table(TEXTS))


def test_what_is_said_of_all_matters():
    assert columns_sha256(["imagenet", "x"], table(TEXTS)) != columns_sha256(["x"], table(TEXTS))


def test_the_form_is_fixed():
    # Changing it would start every build from real captions anew.
    said = columns_sha256(["imagenet"], table(TEXTS))
    assert said == "c38cf470dfec0500727d201731726e6d55be60615d13a893f7ffc3451225a9f5"
