"""`datagen export`: which form goes to which file, and what is refused beforehand."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, get_args

import pyarrow as pa

from vargpt_datagen.export import llama_factory, llava
from vargpt_datagen.export.croissant import croissant_text
from vargpt_datagen.export.json_text import json_objects
from vargpt_datagen.export.new_file import new_file, refuse_existing
from vargpt_datagen.export.picture_files import PictureFile, picture_file
from vargpt_datagen.export.rows import BuildRows, any_rows, instruct_rows
from vargpt_datagen.export.text_file import write_array, write_lines
from vargpt_datagen.export.webdataset import PictureRow, write_webdataset
from vargpt_datagen.progress import progress
from vargpt_schema import UserError
from vargpt_schema.compute import pc

Format = Literal[
    "llama-factory", "llama-factory-jsonl", "llava", "jsonl", "webdataset", "croissant"
]
FORMATS: tuple[Format, ...] = get_args(Format)
_SUFFIXES = {
    "llama-factory": ".json",
    "llama-factory-jsonl": ".jsonl",
    "llava": ".json",
    "jsonl": ".jsonl",
    "croissant": ".json",
}
_LLAMA_FACTORY = ("llama-factory", "llama-factory-jsonl")
# Of world rows that no image root holds; `datagen world --size` draws any other.
_WORLD_SIDE_PX = 64


class Exported(NamedTuple):
    """What an export wrote."""

    num_rows: int
    num_skipped: int  # rows without readable pictures, listed in the folder
    beside: Path | None  # a file that was changed beside the target


def export(
    folder: Path,
    form: Format,
    out: Path,
    *,
    image_root: Path | None = None,
    file_index: bool = False,
) -> Exported:
    """Write the rows of a published folder in another form.

    `out` is a new file, for webdataset a new folder. `image_root` is where the pictures for
    webdataset are: by default DIR/images, else world rows are drawn. `file_index` adds the label
    index to LLaMA-Factory's rows. UserError for a target that exists, options that the form does
    not have, and rows it cannot hold.
    """
    _refuse_options(form, out, image_root, file_index)
    refuse_existing(out)
    if form == "croissant":
        return _export_croissant(folder, out)
    rows = any_rows(folder) if form == "jsonl" else instruct_rows(folder)
    if form == "webdataset":
        return _export_webdataset(folder, rows, out, image_root)
    if form in _LLAMA_FACTORY:
        return _export_llama_factory(rows, form, out, file_index)
    lines_of, columns = {
        "llava": (llava.llava_lines, llava.COLUMNS),
        "jsonl": (_all_columns, rows.table.schema.names),
    }[form]
    with new_file(out) as file:
        _write_text(file, rows, form, lines_of, columns)
    return Exported(rows.num_rows, 0, None)


def _export_llama_factory(rows: BuildRows, form: str, out: Path, file_index: bool) -> Exported:
    llama_factory.expect_room_for_entry(out)
    columns = llama_factory.COLUMNS
    if file_index:
        columns = (*columns, llama_factory.INDEX_COLUMN)
        _refuse_unlabelled(rows)
    with new_file(out) as file:
        _write_text(file, rows, form, llama_factory.llama_factory_lines, columns)
        # Before the file has its name: a run killed in between is mended by the next one.
        entries = llama_factory.add_entry(out)
    return Exported(rows.num_rows, 0, entries)


def _export_croissant(folder: Path, out: Path) -> Exported:
    text = croissant_text(folder)
    with new_file(out) as file:
        file.write(text.encode())
    return Exported(any_rows(folder).num_rows, 0, None)


def _export_webdataset(
    folder: Path, rows: BuildRows, out: Path, image_root: Path | None
) -> Exported:
    if image_root is None and (folder / "images").is_dir():
        image_root = folder / "images"
    if image_root is not None:
        pictures_of = partial(_pictures_below, image_root.resolve())
        pictures_from = str(image_root.resolve())
    elif _is_all_world(rows):
        pictures_of, pictures_from = _drawn_pictures, f"drawn at {_WORLD_SIDE_PX} px"
    else:
        raise UserError(
            f"{folder}: no {folder / 'images'} found, the pictures of its rows were expected. "
            "Give the folder that their paths start from with --image-root DIR."
        )
    with progress("rows") as show:
        written = write_webdataset(rows, out, pictures_of, show, pictures_from=pictures_from)
    return Exported(written.num_rows, written.num_skipped, None)


def _write_text(
    file: BinaryIO,
    rows: BuildRows,
    form: str,
    lines_of: Callable[[pa.RecordBatch], pa.Array],
    columns: Sequence[str],
) -> None:
    write = write_lines if _SUFFIXES[form] == ".jsonl" else write_array
    with progress("rows") as show:
        write(file, map(lines_of, rows.batches(columns)), rows.num_rows, show)


def _all_columns(rows: pa.RecordBatch) -> pa.Array:
    return json_objects(dict(zip(rows.schema.names, rows.columns, strict=True)))


def _pictures_below(image_root: Path, row: PictureRow) -> list[PictureFile]:
    return [picture_file(image_root, image) for image in row.images]


def _drawn_pictures(row: PictureRow) -> list[PictureFile]:
    from vargpt_datagen.world import png_bytes
    from vargpt_schema.world import index_of, scene_at

    try:
        scene = scene_at(index_of(row.image_id or ""))
    except UserError:
        return [PictureFile(b"", "", "not a scene of the sample world")]
    return [PictureFile(png_bytes(scene, _WORLD_SIDE_PX), "png")]


def _is_all_world(rows: BuildRows) -> bool:
    return all(
        pc.all(pc.equal(batch.column(0), "world")).as_py() for batch in rows.batches(["source"])
    )


def _refuse_unlabelled(rows: BuildRows) -> None:
    missing = sum(
        batch.column(0).null_count for batch in rows.batches([llama_factory.INDEX_COLUMN])
    )
    if missing:
        raise UserError(
            f"--file-index: {missing:,} of {rows.num_rows:,} rows have no label, one in every row "
            "was expected. Leave --file-index out."
        )


def _refuse_options(form: str, out: Path, image_root: Path | None, file_index: bool) -> None:
    if form not in FORMATS:
        raise UserError(
            f"--format {form}: one of {', '.join(FORMATS)} was expected. Give one of them."
        )
    if file_index and form not in _LLAMA_FACTORY:
        raise UserError(
            f"--file-index: given with --format {form}, one of LLaMA-Factory's forms was expected. "
            "Leave it out."
        )
    if image_root is not None and form != "webdataset":
        raise UserError(
            f"--image-root: given with --format {form}, which holds paths and reads no picture. "
            "Leave it out, and give the image root to the trainer."
        )
    if image_root is not None and not image_root.is_dir():
        raise UserError(
            f"--image-root {image_root}: no such folder, the one that image paths start from was "
            "expected. Check the path."
        )
    suffix = _SUFFIXES.get(form)
    if suffix and out.suffix != suffix:
        raise UserError(
            f"--out {out}: a name ending with {suffix} was expected for --format {form}. "
            f"Give a file such as {out / 'rows' if out.is_dir() else out}{suffix}."
        )
