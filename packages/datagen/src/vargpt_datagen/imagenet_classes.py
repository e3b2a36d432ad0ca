"""The 1,000 classes of ImageNet-1k: label, WordNet id and name, and the images known to be odd.

Label order is the order of the sorted WordNet ids. Two classes are called 'crane' (134, the bird,
and 517, the machine), so a name says less than a label.
"""

from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import pyarrow as pa

from vargpt_schema.compute import pc

NUM_CLASSES = 1_000
NUM_TRAINING_IMAGES = 1_281_167

# ImageNet's file stems: the one definition of which image is whose.
TRAINING_STEM = r"^(?P<wnid>n\d{8})_\d+$"
VALIDATION_STEM = r"^ILSVRC2012_val_\d{8}$"

# Files that decode, but not as the three-channel JPEG that their name promises. From the list of
# FluxML's Metalhead.jl (training/imagenet.jl).
_CMYK = """
n01739381_1309 n02077923_14822 n02447366_23489 n02492035_15739 n02747177_10752 n03018349_4028
n03062245_4620 n03347037_9675 n03467068_12171 n03529860_11437 n03544143_17228 n03633091_5218
n03710637_5125 n03961711_5286 n04033995_2932 n04258138_17003 n04264628_27969 n04336792_7448
n04371774_5854 n04596742_4225 n07583066_647 n13037406_4650 ILSVRC2012_val_00019877
"""
ODD_IMAGES = {
    "cmyk": tuple(_CMYK.split()),
    "png_named_jpeg": ("n02105855_2933",),
    "damaged_exif": ("n04152593_17460",),
}


class ImagenetClass(NamedTuple):
    """One class, as everything that was trained on ImageNet-1k numbers it."""

    label: int
    wnid: str
    name: str  # every lemma of its synset: "tench, Tinca tinca"


@cache
def imagenet_classes() -> tuple[ImagenetClass, ...]:
    """All of them in label order; the file names its source and licence."""
    text = (files("vargpt_datagen") / "imagenet_classes.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")][1:]
    return tuple(ImagenetClass(int(label), wnid, name) for label, wnid, name in rows)


def first_lemma(name: str) -> str:
    """The first of a class name's lemmas: "tench" of "tench, Tinca tinca"."""
    return name.partition(",")[0]


def labels_of(wnids: Any) -> Any:
    """Column of labels of a column of WordNet ids; null for those of no class."""
    return pc.index_in(wnids, _wnids())


def wnids_of(labels: Any) -> Any:
    """Column of the WordNet ids of a column of labels; null for those of no class."""
    return _wnids().take(pc.index_in(labels, pa.array(range(NUM_CLASSES), pa.int64())))


def class_names_of(wnids: Any) -> Any:
    """Column of the full names of a column of WordNet ids; null for those of no class."""
    return _names().take(labels_of(wnids))


def odd_images(image_ids: Any) -> dict[str, int]:
    """How many of the images known to be odd are in a column of ids, by what is odd."""
    counts = {
        oddity: pc.sum(pc.is_in(image_ids, pa.array(stems))).as_py() or 0
        for oddity, stems in ODD_IMAGES.items()
    }
    return {oddity: count for oddity, count in counts.items() if count}


@cache
def _wnids() -> pa.Array:
    return pa.array([each.wnid for each in imagenet_classes()])


@cache
def _names() -> pa.Array:
    return pa.array([each.name for each in imagenet_classes()]).dictionary_encode()
