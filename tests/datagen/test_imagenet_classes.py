"""The classes of ImageNet-1k and the names of its files."""

import hashlib
import re
from importlib.resources import files

import pyarrow as pa
import pytest

from vargpt_datagen.imagenet_classes import (
    ODD_IMAGES,
    TRAINING_STEM,
    VALIDATION_STEM,
    class_names_of,
    first_lemma,
    imagenet_classes,
    labels_of,
    odd_images,
    wnids_of,
)


def test_there_are_a_thousand_in_label_order_which_is_that_of_their_ids():
    classes = imagenet_classes()
    wnids = [each.wnid for each in classes]
    assert [each.label for each in classes] == list(range(1_000))
    assert (wnids, len(set(wnids))) == (sorted(wnids), 1_000)
    assert all(re.fullmatch(r"n[0-9]{8}", wnid) for wnid in wnids)


def test_the_first_is_the_tench():
    assert imagenet_classes()[0] == (0, "n01440764", "tench, Tinca tinca")


def test_two_classes_are_called_crane_and_all_others_differ():
    names = [each.name for each in imagenet_classes()]
    assert len(set(names)) == 999
    assert (names[134], names[517]) == ("crane", "crane")


@pytest.mark.parametrize(
    ("label", "wnid", "name"),
    [
        (2, "n01484850", "great white shark, white shark, man-eater, man-eating shark, "
                         "Carcharodon carcharias"),
        (638, "n03710637", "maillot"),
        (639, "n03710721", "maillot, tank suit"),
        (999, "n15075141", "toilet tissue, toilet paper, bathroom tissue"),
    ],
)  # fmt: skip
def test_names_are_all_the_lemmas_of_the_synset(label, wnid, name):
    assert imagenet_classes()[label] == (label, wnid, name)


def test_names_can_be_put_into_a_sentence():
    for each in imagenet_classes():
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9 ,.'/-]*", each.name), each
        assert each.name == each.name.strip()


def test_the_file_names_its_sources_and_licence():
    text = (files("vargpt_datagen") / "imagenet_classes.tsv").read_text(encoding="utf-8")
    assert re.search(r"two files of timm [0-9.]+ \(Apache-2\.0\)", text[:300])
    assert re.search(r"^# names: imagenet_synset_to_lemma\.txt, sha256 [0-9a-f]{64}$", text, re.M)


def test_the_ids_are_timms_list_byte_for_byte():
    text = (files("vargpt_datagen") / "imagenet_classes.tsv").read_text(encoding="utf-8")
    told = re.search(r"imagenet_synsets\.txt, sha256 ([0-9a-f]{64})", text)
    listed = "".join(f"{each.wnid}\n" for each in imagenet_classes())
    assert told and told[1] == hashlib.sha256(listed.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "lemma"), [("tench, Tinca tinca", "tench"), ("crane", "crane"), ("", "")]
)
def test_the_first_lemma_ends_at_the_comma(name, lemma):
    assert first_lemma(name) == lemma


def test_columns_of_labels_ids_and_names_follow_each_other():
    wnids = pa.chunked_array([["n15075141", "n99999999"], [None, "n01440764"]])
    assert labels_of(wnids).to_pylist() == [999, None, None, 0]
    assert class_names_of(wnids).to_pylist() == [
        "toilet tissue, toilet paper, bathroom tissue",
        None,
        None,
        "tench, Tinca tinca",
    ]
    labels = pa.array([0, 1_000, None, -1, 999], pa.int64())
    assert wnids_of(labels).to_pylist() == ["n01440764", None, None, None, "n15075141"]


def test_odd_images_are_counted_by_what_is_odd():
    ids = pa.chunked_array([["n01739381_1309", "n02105855_2933", "n01440764_1", "n07583066_647"]])
    assert odd_images(ids) == {"cmyk": 2, "png_named_jpeg": 1}
    assert odd_images(pa.chunked_array([], pa.string())) == {}


def test_twenty_two_training_images_and_one_for_validation_are_cmyk():
    stems = ODD_IMAGES["cmyk"]
    assert sum(bool(re.match(TRAINING_STEM, stem)) for stem in stems) == 22
    assert [stem for stem in stems if re.match(VALIDATION_STEM, stem)] == [
        "ILSVRC2012_val_00019877"
    ]
