"""A folder of ImageNet in small: every class folder, with few images that are no pictures."""

import os
from pathlib import Path

from vargpt_datagen.imagenet_classes import imagenet_classes

TENCH, GOLDFISH = "n01440764", "n01443537"


def write_train(folder: Path, images_per_class: int = 1) -> Path:
    """{folder}/{wnid}/{wnid}_{number}.JPEG for all classes; returns the folder."""
    folder.mkdir(parents=True)
    image = folder.parent / "image"
    image.write_bytes(b"\xff\xd8 not decoded")
    for each in imagenet_classes():
        (folder / each.wnid).mkdir()
        for number in range(1, images_per_class + 1):
            os.link(image, folder / each.wnid / f"{each.wnid}_{number}.JPEG")
    image.unlink()
    return folder


def write_flat_validation(folder: Path, numbers: list[int]) -> Path:
    """{folder}/ILSVRC2012_val_{number}.JPEG; returns the folder."""
    folder.mkdir(parents=True)
    for number in numbers:
        (folder / f"ILSVRC2012_val_{number:08d}.JPEG").write_bytes(b"\xff\xd8 not decoded")
    return folder
