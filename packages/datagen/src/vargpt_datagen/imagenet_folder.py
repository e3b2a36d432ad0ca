"""Images of ImageNet-1k listed from the folders that its archives unpack to.

train/n01440764/n01440764_10026.JPEG, or the class folders by themselves; for validation
val/ILSVRC2012_val_00000001.JPEG with a file of labels, or with class folders too.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from vargpt_datagen.caption_columns import Split
from vargpt_datagen.caption_parquet import refuse_repeated_ids
from vargpt_datagen.imagenet_classes import class_names_of, imagenet_classes, labels_of
from vargpt_datagen.imagenet_labels import read_validation_wnids
from vargpt_datagen.printable import printable
from vargpt_schema import UserError
from vargpt_schema.compute import pc

_FOLDERS: dict[Split, tuple[str, ...]] = {"train": ("train",), "validation": ("val", "validation")}
_FOLDER_NAMES = tuple(name for names in _FOLDERS.values() for name in names)
_CLASS_FOLDER = re.compile(r"n[0-9]{8}")
_VALIDATION_STEM = re.compile(r"ILSVRC2012_val_[0-9]{8}")
_SUFFIXES = frozenset({"JPEG", "jpeg", "JPG", "jpg", "png", "webp"})
_THREADS = 4  # each waits for the file system


class ImagenetListing(NamedTuple):
    """The images of one split, sorted by class folder and name."""

    rows: pa.Table  # image_id, image, label, wnid, class_name
    dropped: Mapping[str, int]  # files left out, by reason


class _Names(NamedTuple):
    """What was looked for in one folder, sorted, and how much else was found there."""

    wanted: list[str]
    dropped: Counter[str]


def is_imagenet_folder(path: Path) -> bool:
    """Whether a path is a folder of images rather than of Parquet files."""
    path = path.absolute()
    if not path.is_dir() or any(path.glob("*.parquet")) or any(path.glob("data/*.parquet")):
        return False
    return path.name in _FOLDER_NAMES or any(
        entry.name in _FOLDER_NAMES or _CLASS_FOLDER.fullmatch(entry.name)
        for entry in path.iterdir()
    )


def list_imagenet(path: Path, split: Split, image_root: Path | None = None) -> ImagenetListing:
    """Every image of a split below `path`, without a look at its pixels.

    Image paths start at the image root; if none is given, at the folder that train/ or val/ lies
    in, or at `path` where that holds class folders itself. Files that are no image of their class,
    and empty ones, are left out and counted. UserError for a split that is not there, for class
    folders missing, foreign or without an image, and for links out of the image root.
    """
    folder = _folder_of(path.absolute(), split)
    root = (image_root or (folder.parent if folder.name in _FOLDER_NAMES else folder)).resolve()
    _refuse_outside(folder, root)
    below_root = folder.resolve().relative_to(root)
    classes = _class_folders(folder, root)
    if split == "validation" and not classes.wanted:
        images = _images(folder, root, _VALIDATION_STEM)
        rows = _rows(below_root, images.wanted, _labelled(folder, images.wanted))
        dropped = images.dropped
    else:
        _expect_all_classes(folder, classes.wanted)
        images_of = partial(_images_of_class, folder, root, split)
        with ThreadPoolExecutor(_THREADS) as pool:
            listed = dict(zip(classes.wanted, pool.map(images_of, classes.wanted), strict=True))
        _expect_images(folder, listed)
        names = [name for images in listed.values() for name in images.wanted]
        wnids = [wnid for wnid, images in listed.items() for _ in images.wanted]
        rows = _rows(below_root, names, wnids, class_folders=True)
        dropped = sum((images.dropped for images in listed.values()), classes.dropped)
    refuse_repeated_ids(rows.column("image_id"), folder)
    return ImagenetListing(rows, dropped)


def _folder_of(path: Path, split: Split) -> Path:
    """The folder of a split's images."""
    below = [path / name for name in _FOLDERS[split] if (path / name).is_dir()]
    if below:
        return below[0]
    holds_classes = any(_CLASS_FOLDER.fullmatch(entry.name) for entry in path.iterdir())
    if path.name in _FOLDERS[split]:
        return path
    if split == "train" and holds_classes and path.name not in _FOLDER_NAMES:
        return path
    raise UserError(
        f"{path}: no folder {' or '.join(_FOLDERS[split])} found, the {split} images of ImageNet "
        "were expected in one. Give the folder that holds it."
    )


def _class_folders(folder: Path, root: Path) -> _Names:
    """All folders, whatever their names."""
    names: list[str] = []
    dropped = Counter[str]()
    for entry in _entries(folder, root):
        if entry.is_dir():
            names.append(entry.name)
        elif entry.name.rpartition(".")[2] in _SUFFIXES:
            dropped["outside_class_folders"] += 1
    return _Names(sorted(names), dropped)


def _expect_all_classes(folder: Path, names: list[str]) -> None:
    wnids = {each.wnid for each in imagenet_classes()}
    for fault, remedy, faulty in (
        ("missing", "Unpack their archives.", sorted(wnids.difference(names))),
        ("of no class", "Move them away.", sorted(set(names).difference(wnids))),
    ):
        if faulty:
            raise UserError(
                f"{folder}: class folders {fault}: {len(faulty):,} (first {printable(faulty[0])}), "
                f"exactly the {len(wnids):,} of ImageNet-1k were expected. {remedy}"
            )


def _expect_images(folder: Path, listed: Mapping[str, _Names]) -> None:
    empty = [wnid for wnid, images in listed.items() if not images.wanted]
    if empty:
        raise UserError(
            f"{folder / empty[0]}: no image of this class found ({len(empty):,} class folders are "
            f"without one), names such as {empty[0]}_10026.JPEG were expected. Unpack the archive."
        )


def _images_of_class(folder: Path, root: Path, split: Split, wnid: str) -> _Names:
    stem = re.compile(rf"{wnid}_[0-9]+") if split == "train" else _VALIDATION_STEM
    return _images(folder / wnid, root, stem)


def _images(folder: Path, root: Path, wanted: re.Pattern[str]) -> _Names:
    """The images whose stem is wanted."""
    names: list[str] = []
    dropped = Counter[str]()
    for entry in _entries(folder, root):
        stem, _, suffix = entry.name.rpartition(".")
        if suffix not in _SUFFIXES or not entry.is_file():
            dropped["no_image"] += 1
        elif not wanted.fullmatch(stem):
            is_validation = _VALIDATION_STEM.fullmatch(stem)
            dropped["validation_image" if is_validation else "other_name"] += 1
        elif entry.stat().st_size == 0:
            dropped["empty_file"] += 1
        else:
            names.append(entry.name)
    return _Names(sorted(names), dropped)


def _entries(folder: Path, root: Path) -> Iterator[os.DirEntry[str]]:
    """What a folder holds, hidden names aside; UserError for links out of the image root."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_symlink():
                    _refuse_outside(Path(entry.path), root)
                yield entry
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be listed ({error.strerror}), a readable folder of images was "
            "expected. Change its rights, or check the disk."
        ) from error


def _refuse_outside(path: Path, root: Path) -> None:
    target = path.resolve()
    if not target.is_relative_to(root):
        raise UserError(
            f"{printable(str(path))}: leads to {printable(str(target))}, a place below the image "
            f"root {root} was expected. Copy the files there, or give another --image-root."
        )


def _labelled(folder: Path, names: list[str]) -> list[str]:
    """WordNet ids of validation images in one flat folder."""
    wnid_of = read_validation_wnids(folder)
    unlabelled = [name for name in names if name.rpartition(".")[0] not in wnid_of]
    if unlabelled:
        raise UserError(
            f"{folder}: {len(unlabelled):,} images are missing in the file of labels (first "
            f"{unlabelled[0]}), each was expected there. Get the whole file."
        )
    return [wnid_of[name.rpartition(".")[0]] for name in names]


def _rows(
    below_root: Path, names: list[str], wnids: list[str], *, class_folders: bool = False
) -> pa.Table:
    wnid = pa.array(wnids, pa.string())
    file = pa.array(names, pa.string())
    start = "" if below_root == Path() else f"{below_root.as_posix()}/"
    parts = (start, wnid, "/", file, "") if class_folders else (start, file, "")
    coded = wnid.dictionary_encode()
    return pa.table(
        {
            "image_id": pc.replace_substring_regex(file, r"\.[A-Za-z]+$", ""),
            "image": pc.binary_join_element_wise(*parts),
            "label": pc.cast(labels_of(coded), pa.int64()),
            "wnid": coded,
            "class_name": class_names_of(coded),
        }
    )
