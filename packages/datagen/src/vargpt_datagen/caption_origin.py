"""What captions read from files are of, and so what a build on them may be called."""

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from vargpt_datagen.caption_source import WorldCaptions
from vargpt_datagen.imagenet_classes import TRAINING_STEM
from vargpt_schema import UserError
from vargpt_schema.compute import pc

_WORLD_ID = r"^world-(?P<index>\d{8})$"
_WNID_CHARS = 9
_CAPTIONERS_NAMED = 5


class Origin(NamedTuple):
    """The name for folders and rows, and the title for cards."""

    name: str
    title: str


WORLD = Origin(WorldCaptions.name, WorldCaptions.title)
IMAGENET = Origin("imagenet", "ImageNet-Instruct")
OTHER = Origin("captions", "Caption-Instruct")


def origin_of(rows: pa.Table, path: Path) -> Origin:
    """Judged by what every row says; UserError when the sample world is mixed with others."""
    if rows.num_rows == 0:
        return OTHER
    by_world = pc.equal(rows.column("captioner"), WorldCaptions.captioner)
    if pc.any(by_world).as_py():
        _refuse_mixture(rows, pc.and_(by_world, _is_picture_of_the_world(rows)), path)
        return WORLD
    image_id = rows.column("image_id")
    is_of_class = pc.equal(pc.utf8_slice_codeunits(image_id, 0, _WNID_CHARS), rows.column("wnid"))
    is_imagenet = pc.fill_null(
        pc.and_(pc.match_substring_regex(image_id, TRAINING_STEM), is_of_class), False
    )
    return IMAGENET if pc.all(is_imagenet).as_py() else OTHER


def captioners_text(captioners: Any) -> str:
    """The distinct captioners of a column in one line, the first few by name."""
    names = sorted(pc.unique(captioners).to_pylist())
    text = ", ".join(names[:_CAPTIONERS_NAMED])
    more = len(names) - _CAPTIONERS_NAMED
    return f"{text} and {more} more" if more > 0 else text


def _is_picture_of_the_world(rows: pa.Table) -> Any:
    index = _part(rows.column("image_id"), _WORLD_ID, "index")
    path = pc.binary_join_element_wise("world/", index, ".png", "")
    return pc.fill_null(pc.equal(path, rows.column("image")), False)


def _part(column: Any, pattern: str, group: str) -> Any:
    return pc.struct_field(pc.extract_regex(column, pattern), group)


def _refuse_mixture(rows: pa.Table, is_world: Any, path: Path) -> None:
    others = rows.filter(pc.invert(is_world))
    if others.num_rows:
        first = others.slice(0, 1).to_pylist()[0]
        raise UserError(
            f"{path}: captions of the sample world found together with {others.num_rows:,} rows "
            f"that are no scene of it (image_id {first['image_id']!r}, captioner "
            f"{first['captioner']!r}), one kind was expected. Build from each by itself."
        )
