"""Columns of one Parquet file of captions, brought to one form whatever program wrote them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_schema import CAPTIONS, UserError
from vargpt_schema.compute import pc
from vargpt_schema.row_rules import BAD_PATH

# visual-layer/imagenet-1k-vl-enriched; its image, box and issue columns are never read.
ENRICHED_COLUMNS = ("image_id", "label", "caption_enriched")
ENRICHED_CAPTIONER = "Salesforce/blip2-opt-2.7b (as imagenet-1k-vl-enriched has it)"
# Of `captions`, what a row of a build is made from.
OWN_COLUMNS = ("image_id", "image", "label", "wnid", "caption", "captioner", "split")

# ImageNet's file stems: the one definition of which image is whose.
TRAINING_STEM = r"^(?P<wnid>n\d{8})_\d+$"
VALIDATION_STEM = r"^ILSVRC2012_val_\d{8}$"

_ENRICHED_LAYOUT = "the layout of visual-layer/imagenet-1k-vl-enriched"


def caption_rows(file: Path) -> pa.Table:
    """The training rows of one file: image_id, image, label, wnid, caption, captioner.

    `image` is null for ImageNet's validation images and for nothing else. UserError for a file
    that is damaged or neither in the enriched layout nor a `captions` table, for types that cannot
    be read as text or whole numbers, and for rows without an id or with a path out of the image
    root.
    """
    if (_schema(file).metadata or {}).get(b"table") == CAPTIONS.name.encode():
        return _own_rows(file)
    return _enriched_rows(file)


def _own_rows(file: Path) -> pa.Table:
    CAPTIONS.file_metadata(file)  # refuses another version
    table = _columns(file, OWN_COLUMNS, whole_numbers=("label",))
    table = table.filter(pc.equal(table.column("split"), "train")).drop_columns(["split"])
    _refuse_nulls(table, ("image_id", "captioner"), file)
    image = table.column("image")
    bad = pc.fill_null(pc.match_substring_regex(image, BAD_PATH), True)
    if pc.any(bad).as_py():
        first = table.filter(bad).slice(0, 1).to_pylist()[0]
        raise UserError(
            f"{file}: image {first['image']!r} found in the row of {first['image_id']!r}, a "
            "relative POSIX path below the image root was expected. Mend the path."
        )
    return table


def _enriched_rows(file: Path) -> pa.Table:
    table = _columns(file, ENRICHED_COLUMNS, whole_numbers=("label",))
    _refuse_nulls(table, ("image_id",), file)
    # The hub copy's ids are file names.
    stem = pc.replace_substring_regex(table.column("image_id"), r"\.(JPEG|jpeg|jpg|JPG)$", "")
    wnid = pc.struct_field(pc.extract_regex(stem, TRAINING_STEM), "wnid")
    unknown = pc.and_(pc.is_null(wnid), pc.invert(is_validation(stem)))
    if pc.any(unknown).as_py():
        example = stem.filter(unknown)[0].as_py()
        raise UserError(
            f"{file}: image_id {example!r} found, an ImageNet file name such as "
            "n01440764_10026.JPEG was expected. Use a `captions` table for other images."
        )
    columns = {
        "image_id": stem,
        "image": pc.binary_join_element_wise("train/", wnid, "/", stem, ".JPEG", ""),
        "label": table.column("label"),
        "wnid": wnid,
        "caption": table.column("caption_enriched"),
        "captioner": pa.repeat(pa.scalar(ENRICHED_CAPTIONER), table.num_rows),
    }
    return pa.table(columns)


def is_validation(stem: Any) -> Any:
    """Mask of the ids that name a validation image of ImageNet."""
    return pc.match_substring_regex(stem, VALIDATION_STEM)


def _schema(file: Path) -> pa.Schema:
    try:
        return pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{file}: not a readable Parquet file ({_first_line(error)}). Download it again."
        ) from error


def _columns(file: Path, names: tuple[str, ...], *, whole_numbers: tuple[str, ...]) -> pa.Table:
    """These columns alone, as text or as int64."""
    schema = _schema(file)
    missing = [name for name in names if name not in schema.names]
    if missing:
        raise UserError(
            f"{file}: columns {', '.join(schema.names)} found, {', '.join(missing)} missing. "
            f"Expected {_ENRICHED_LAYOUT} or a `captions` table of `datagen`."
        )
    doubled = [name for name in names if schema.names.count(name) > 1]
    if doubled:
        raise UserError(
            f"{file}: column {doubled[0]} found {schema.names.count(doubled[0])} times, each "
            "column once was expected. Drop or rename the repeated ones."
        )
    for name in names:
        found = schema.field(name).type
        is_number = name in whole_numbers
        if not (_holds_whole_numbers(found) if is_number else _holds_text(found)):
            expected = "whole numbers were" if is_number else "string was"
            raise UserError(
                f"{file}: column {name} is {found}, {expected} expected. "
                f"Bring it to {_ENRICHED_LAYOUT}."
            )
    try:
        # Not read_table, which takes columns from folder names such as label=3.
        with pq.ParquetFile(file) as opened:
            table = opened.read(columns=list(names))
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{file}: damaged Parquet file ({_first_line(error)}). Download it again."
        ) from error
    return pa.table({name: _cast(table, name, name in whole_numbers, file) for name in names})


def _holds_text(found: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    return (
        pa.types.is_string(found)
        or pa.types.is_large_string(found)
        or pa.types.is_string_view(found)
        or pa.types.is_null(found)  # a column without any value
    )


def _holds_whole_numbers(found: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    # pandas makes floats of whole numbers with gaps; fractions fail in the cast.
    return pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_null(found)


def _cast(table: pa.Table, name: str, is_number: bool, file: Path) -> Any:
    try:
        return pc.cast(table.column(name), pa.int64() if is_number else pa.string())
    except pa.ArrowException as error:
        expected = "whole numbers were" if is_number else "text was"
        raise UserError(
            f"{file}: column {name} cannot be read ({_first_line(error)}), {expected} expected. "
            "Mend the column."
        ) from error


def _refuse_nulls(table: pa.Table, names: tuple[str, ...], file: Path) -> None:
    for name in names:
        column = table.column(name)
        if column.null_count:
            row = pc.index(pc.is_null(column), True).as_py()
            raise UserError(
                f"{file}: {name} is null in {column.null_count} rows, first in row {row}; every "
                "image needs one. Fill them in or drop those rows."
            )


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
