"""Columns of one Parquet file of captions, brought to one form whatever program wrote them."""

from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_datagen.imagenet_classes import (
    TRAINING_STEM,
    VALIDATION_STEM,
    class_names_of,
    labels_of,
    wnids_of,
)
from vargpt_schema import CAPTIONS, UserError
from vargpt_schema.compute import pc
from vargpt_schema.row_rules import BAD_PATH

Split = Literal["train", "validation"]

# visual-layer/imagenet-1k-vl-enriched; its image, box and issue columns are never read.
ENRICHED_COLUMNS = ("image_id", "label", "caption_enriched")
ENRICHED_CAPTIONER = "Salesforce/blip2-opt-2.7b (as imagenet-1k-vl-enriched has it)"
# Of `captions`, what a row of a build is made from.
OWN_COLUMNS = (
    "image_id",
    "image",
    "label",
    "wnid",
    "class_name",
    "caption",
    "captioner",
    "split",
)
_WHOLE_NUMBERS = frozenset({"label"})
_REPETITIVE = frozenset({"wnid", "class_name", "captioner", "split"})  # kept as dictionaries
_DICTIONARY = pa.dictionary(pa.int32(), pa.string())

_ENRICHED_LAYOUT = "the layout of visual-layer/imagenet-1k-vl-enriched"


def caption_rows(file: Path, split: Split = "train", *, captions: bool = True) -> pa.Table:
    """The rows of one file that are of a split.

    Columns: image_id, image, label, wnid, class_name, caption (unless left out), captioner, and
    misplaced: "validation_image" or "training_image" for an image of ImageNet that belongs to the
    other split, otherwise null.

    UserError for a file that is damaged or neither in the enriched layout nor a `captions` table,
    for types that cannot be read as text or whole numbers, for rows without an id or with a path
    out of the image root, and for a label that is not its WordNet id's.
    """
    if (_schema(file).metadata or {}).get(b"table") == CAPTIONS.name.encode():
        return _own_rows(file, split, captions)
    wanted = [name for name in ENRICHED_COLUMNS if captions or name != "caption_enriched"]
    return enriched_rows(_columns(file, wanted), split, str(file))


def _own_rows(file: Path, split: Split, captions: bool) -> pa.Table:
    CAPTIONS.file_metadata(file)  # refuses another version
    table = _columns(file, [name for name in OWN_COLUMNS if captions or name != "caption"])
    if table.column("split").unique().to_pylist() != [split]:
        table = table.filter(pc.equal(table.column("split"), split))
    table = table.drop_columns(["split"])
    _refuse_nulls(table, ("image_id", "captioner"), str(file))
    image = table.column("image")
    bad = pc.fill_null(pc.match_substring_regex(image, BAD_PATH), True)
    if pc.any(bad).as_py():
        first = table.filter(bad).slice(0, 1).to_pylist()[0]
        raise UserError(
            f"{file}: image {first['image']!r} found in the row of {first['image_id']!r}, a "
            "relative POSIX path below the image root was expected. Mend the path."
        )
    names = table.column("class_name")
    if names.null_count:
        known = pc.cast(class_names_of(table.column("wnid")), pa.string())
        names = pc.coalesce(pc.cast(names, pa.string()), known).dictionary_encode()
        at = table.schema.get_field_index("class_name")
        table = table.set_column(at, "class_name", names)
    if split == "validation":  # who keeps training images for validation says so in the table
        misplaced = pa.nulls(table.num_rows, pa.string())
    else:
        misplaced = _named(is_validation(table.column("image_id")), "validation_image")
    return table.append_column("misplaced", misplaced)


def enriched_rows(table: pa.Table, split: Split, where: str) -> pa.Table:
    """Rows of the enriched layout as `caption_rows` gives them; `where` begins its complaints."""
    _refuse_nulls(table, ("image_id",), where)
    # The hub copy's ids are file names.
    stem = pc.replace_substring_regex(table.column("image_id"), r"\.(JPEG|jpeg|jpg|JPG)$", "")
    wnid = pc.struct_field(pc.extract_regex(stem, TRAINING_STEM), "wnid")
    of_validation = is_validation(stem)
    unknown = pc.and_(pc.is_null(wnid), pc.invert(of_validation))
    if pc.any(unknown).as_py():
        example = stem.filter(unknown)[0].as_py()
        raise UserError(
            f"{where}: image_id {example!r} found, an ImageNet file name such as "
            "n01440764_10026.JPEG was expected. Use a `captions` table for other images."
        )
    _refuse_foreign_labels(stem, wnid, table.column("label"), where)
    columns = {
        "image_id": stem,
        "image": pc.if_else(
            of_validation,
            pc.binary_join_element_wise("val/", stem, ".JPEG", ""),
            pc.binary_join_element_wise("train/", wnid, "/", stem, ".JPEG", ""),
        ),
        "label": table.column("label"),
        "wnid": pc.coalesce(wnid, wnids_of(table.column("label"))),
    }
    columns["class_name"] = class_names_of(columns["wnid"])
    if "caption_enriched" in table.column_names:
        columns["caption"] = table.column("caption_enriched")
    columns["captioner"] = pa.repeat(ENRICHED_CAPTIONER, table.num_rows).dictionary_encode()
    if split == "train":
        columns["misplaced"] = _named(of_validation, "validation_image")
    else:
        columns["misplaced"] = _named(pc.invert(of_validation), "training_image")
    return pa.table(columns)


def is_validation(stem: Any) -> Any:
    """Mask of the ids that name a validation image of ImageNet."""
    return pc.match_substring_regex(stem, VALIDATION_STEM)


def _named(mask: Any, reason: str) -> Any:
    return pc.if_else(mask, reason, pa.scalar(None, pa.string()))


def _refuse_foreign_labels(stem: Any, wnid: Any, label: Any, where: str) -> None:
    """Labels in another order than ImageNet's would name every class wrongly."""
    expected = labels_of(wnid)
    wrong = pc.fill_null(pc.not_equal(expected, label), False)
    if pc.any(wrong).as_py():
        at = pc.index(wrong, True).as_py()
        raise UserError(
            f"{where}: label {label[at].as_py()} found in the row of {stem[at].as_py()!r}, "
            f"{expected[at].as_py()} was expected: labels follow the sorted WordNet ids. "
            "Mend the labels."
        )


def _schema(file: Path) -> pa.Schema:
    try:
        return pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{file}: not a readable Parquet file ({_first_line(error)}). Download it again."
        ) from error


def _columns(file: Path, names: list[str]) -> pa.Table:
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
        is_number = name in _WHOLE_NUMBERS
        if not (_holds_whole_numbers(found) if is_number else _holds_text(found)):
            expected = "whole numbers were" if is_number else "string was"
            raise UserError(
                f"{file}: column {name} is {found}, {expected} expected. "
                f"Bring it to {_ENRICHED_LAYOUT}."
            )
    plain = [name for name in names if pa.types.is_string(schema.field(name).type)]
    try:
        # Not read_table, which takes columns from folder names such as label=3.
        with pq.ParquetFile(file, read_dictionary=[*_REPETITIVE.intersection(plain)]) as opened:
            table = opened.read(columns=names)
        table.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{file}: damaged Parquet file ({_first_line(error)}). Download it again."
        ) from error
    return pa.table({name: _cast(table, name, file) for name in names})


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


def _cast(table: pa.Table, name: str, file: Path) -> Any:
    is_number = name in _WHOLE_NUMBERS
    column = table.column(name)
    if name in _REPETITIVE and column.type == _DICTIONARY:
        return column
    try:
        column = pc.cast(column, pa.int64() if is_number else pa.string())
    except pa.ArrowException as error:
        expected = "whole numbers were" if is_number else "text was"
        raise UserError(
            f"{file}: column {name} cannot be read ({_first_line(error)}), {expected} expected. "
            "Mend the column."
        ) from error
    return column.dictionary_encode() if name in _REPETITIVE else column


def _refuse_nulls(table: pa.Table, names: tuple[str, ...], where: str) -> None:
    for name in names:
        column = table.column(name)
        if column.null_count:
            row = pc.index(pc.is_null(column), True).as_py()
            raise UserError(
                f"{where}: {name} is null in {column.null_count} rows, first in row {row}; every "
                "image needs one. Fill them in or drop those rows."
            )


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
