"""The images of a folder, and what their names say of them: ImageNet's, the sample world's, others.

train/n01440764/n01440764_10026.JPEG   a training image; the class folders may also lie at the top
val/ILSVRC2012_val_00000001.JPEG       a validation image, its class from its folder or a label file
world/00000042.png                     a scene of the sample world
holidays/beach.jpg                     anything else: of split train, without a class
"""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from vargpt_datagen.caption_parquet import refuse_repeated_ids
from vargpt_datagen.imagenet_classes import imagenet_classes
from vargpt_datagen.imagenet_labels import read_validation_wnids
from vargpt_datagen.printable import printable
from vargpt_schema import UserError, world

SUFFIXES = frozenset({"jpeg", "jpg", "png", "webp", "gif", "bmp", "tif", "tiff"})
_TRAINING = re.compile(r"(?P<wnid>n\d{8})_\d+")
_VALIDATION = re.compile(r"ILSVRC2012_val_\d{8}")
_SCENE = re.compile(r"world/(?P<index>\d{8})\.png")
_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("image", pa.string()),  # POSIX path below the folder
        ("split", pa.string()),
        ("label", pa.int64()),
        ("wnid", pa.string()),
        ("class_name", pa.string()),
    ]
)


class FolderImages(NamedTuple):
    """The images below one folder, by split and path."""

    rows: pa.Table  # image_id, image, split, label, wnid, class_name
    num_other_files: int  # not images by their suffix


class _Row(NamedTuple):
    """Columns of _SCHEMA."""

    image_id: str
    image: str
    split: str
    label: int | None = None
    wnid: str | None = None
    class_name: str | None = None


def list_images(folder: Path) -> FolderImages:
    """Every image below a folder, without a look at its pixels.

    Hidden files and folders are left out. UserError for a folder that cannot be listed or holds no
    image, for links out of it, for two images of one name, for classes that ImageNet-1k lacks, and
    for validation images of ImageNet whose class nothing says.
    """
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such folder, a folder of images was expected. Check the path."
        )
    counts = Counter[str]()
    names = list(_files(folder, folder.resolve(), "", counts))
    if not names:
        raise UserError(
            f"{folder}: no image found ({counts['others']:,} other files), files ending in "
            f"{', '.join(sorted(SUFFIXES))} were expected. Check the path."
        )
    rows = sorted(map(_Told(folder).row, names), key=lambda row: (row.split, row.image))
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=_SCHEMA)
    refuse_repeated_ids(table.column("image_id"), folder)
    return FolderImages(table, counts["others"])


def _files(folder: Path, root: Path, below: str, counts: Counter[str]) -> Iterator[str]:
    """Paths of images below the root, in no order."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                name = f"{below}{entry.name}"
                if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
                    raise UserError(
                        f"{printable(entry.path)}: a link out of the folder found, files below "
                        f"{root} were expected. Copy the file there, or remove the link."
                    )
                if entry.is_dir():
                    yield from _files(folder / entry.name, root, f"{name}/", counts)
                elif entry.name.rpartition(".")[2].lower() in SUFFIXES and entry.is_file():
                    yield _text(name, folder)
                else:
                    counts["others"] += 1
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be listed ({error.strerror}), a readable folder of images was "
            "expected. Change its rights, or check the disk."
        ) from error


def _text(name: str, folder: Path) -> str:
    if not name.isprintable() or "\\" in name:
        raise UserError(
            f"{folder}: {printable(name)!r} found, a name of printable characters without "
            "backslashes was expected. Rename the file."
        )
    return name


class _Told:
    """What an image's path says of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._classes = {each.wnid: each for each in imagenet_classes()}
        self._wnids: dict[Path, Mapping[str, str]] = {}  # of flat validation folders, by stem

    def row(self, name: str) -> _Row:
        parent, _, file = name.rpartition("/")
        stem = file.rpartition(".")[0]
        if scene := _SCENE.fullmatch(name):
            return self._scene_row(name, int(scene["index"]))
        if training := _TRAINING.fullmatch(stem):
            return self._imagenet_row(name, stem, "train", training["wnid"])
        if _VALIDATION.fullmatch(stem):
            last_folder = parent.rpartition("/")[2]
            wnid = last_folder if last_folder in self._classes else self._labelled(parent, stem)
            return self._imagenet_row(name, stem, "validation", wnid)
        return _Row(stem, name, "train")

    def _scene_row(self, name: str, index: int) -> _Row:
        if not any(index in span for span in world.SPLITS.values()):
            raise UserError(
                f"{self._folder / name}: no scene of the sample world has this number. Move "
                "pictures of other kinds out of the folder `world`."
            )
        label = world.label_at(index)
        class_name = None if label is None else world.class_name(label)
        return _Row(
            world.image_id(index), name, world.split_of(index), label, class_name=class_name
        )

    def _imagenet_row(self, name: str, stem: str, split: str, wnid: str) -> _Row:
        found = self._classes.get(wnid)
        if found is None:
            raise UserError(
                f"{self._folder / name}: {wnid} is no class of ImageNet-1k. Move images of other "
                "classes away."
            )
        return _Row(stem, name, split, found.label, wnid, found.name)

    def _labelled(self, parent: str, stem: str) -> str:
        folder = self._folder / parent
        if folder not in self._wnids:
            self._wnids[folder] = read_validation_wnids(folder)
        wnid = self._wnids[folder].get(stem)
        if wnid is None:
            raise UserError(
                f"{folder}: {stem} is missing in the file of labels, each image was expected "
                "there. Get the whole file."
            )
        return wnid
