"""Where images come from: a folder's files, all of them or those that a table names."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from PIL import Image

from vargpt_model.preprocessing import open_image
from vargpt_schema import CAPTIONS, INSTRUCT
from vargpt_schema.errors import UserError

SUFFIXES = frozenset({".jpeg", ".jpg", ".png", ".webp"})


class Pictures(Protocol):
    """Named images."""

    @property
    def names(self) -> Sequence[str]:
        """POSIX paths relative to one image root; also of pictures that are drawn, not read."""
        ...

    def open(self, name: str) -> Image.Image:
        """The image in RGB; UserError when it cannot be read."""
        ...


class PictureFolder:
    """Images below one root."""

    def __init__(self, image_root: Path, names: Sequence[str]) -> None:
        self.image_root = image_root
        self.names = names
        self._resolved_root = image_root.resolve()

    def open(self, name: str) -> Image.Image:
        """The image in RGB; UserError when it cannot be read or lies outside the root."""
        path = self.image_root / PurePosixPath(name)
        if not path.resolve().is_relative_to(self._resolved_root):
            raise UserError(
                f"{name}: leads outside the image root {self.image_root}, a path below it was "
                "expected. Correct the table, or give another --image-root."
            )
        return open_image(path)


def pictures_in(image_root: Path) -> PictureFolder:
    """Every image file below a folder, in the order of their names.

    UserError when the folder is missing or holds none.
    """
    if not image_root.is_dir():
        raise UserError(
            f"{image_root}: no such folder found, a folder of images was expected. Check the path."
        )
    names = sorted(
        path.relative_to(image_root).as_posix()
        for path in image_root.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file()
    )
    if not names:
        raise UserError(
            f"{image_root}: no image found, files ending in {', '.join(sorted(SUFFIXES))} were "
            "expected. Give the folder that holds the images."
        )
    return PictureFolder(image_root, names)


def pictures_of(data: Path, image_root: Path) -> PictureFolder:
    """The images that a `captions` or `instruct` table names, in the order of their names.

    `data` is a Parquet file or a folder of them, such as a build. UserError for another table.
    """
    first = CAPTIONS.files(data)[0]
    try:
        CAPTIONS.file_metadata(first)
    except UserError:
        lists = INSTRUCT.read(data, columns=["images"]).column("images")
        names = lists.combine_chunks().flatten().unique().to_pylist()
    else:
        names = CAPTIONS.read(data, columns=["image"]).column("image").unique().to_pylist()
    if not names:
        raise UserError(f"{data}: a table without images found. Give one that names images.")
    return PictureFolder(image_root, sorted(names))
