"""`datagen verify`: every promise of a published build, checked against its files."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from vargpt_datagen.checks import normalise, normalise_answer
from vargpt_datagen.folder import MANIFEST
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.publishing import describe
from vargpt_schema import IMAGE_GEN, INSTRUCT, REJECTS, Message, UserError, sample_id_of
from vargpt_schema.compute import pc


def verify(folder: Path) -> list[str]:
    """Faults of a build folder, one line each; empty when it is good.

    UserError when the folder is no build folder at all.
    """
    if not folder.is_dir() or not any(
        (folder / part).exists() for part in (MANIFEST, "data", ".work")
    ):
        raise UserError(
            f"{folder}: not a build folder ({MANIFEST} and data/ were expected). Check the path."
        )
    try:
        manifest = read_manifest(folder)
    except UserError as error:
        return [str(error)]
    faults = _file_faults(folder, manifest)
    if faults:  # contents of damaged or missing files would only repeat the same news
        return faults
    return [*_row_faults(folder, manifest), *_reject_faults(folder, manifest)]


def _file_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    faults: list[str] = []
    for told in manifest["files"]:
        path = folder / told["path"]
        if not path.is_file():
            faults.append(f"{told['path']}: missing")
            continue
        found = describe(path, folder)
        faults += [
            f"{told['path']}: {name} is {found[name]}, the manifest says {told[name]}"
            for name in ("size_bytes", "sha256")
            if found[name] != told[name]
        ][:1]
    listed = {file["path"] for file in manifest["files"]}
    for part in ("data", "rejects", "replies"):
        for path in sorted((folder / part).glob("*.parquet")):
            name = path.relative_to(folder).as_posix()
            if name not in listed:
                faults.append(f"{name}: not in the manifest")
    return faults


def _row_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    try:
        table = INSTRUCT.read(folder / "data")
    except UserError as error:
        return [str(error)]
    faults = [f"row {fault.row}: {fault.rule}" for fault in INSTRUCT.row_faults(table)]  # pyright: ignore[reportOptionalCall]
    counts = manifest["counts"]
    if table.num_rows != counts["rows"]:
        faults.append(f"data: {table.num_rows} rows, the manifest says {counts['rows']}")
    for name in ("sample_id", "image_id"):
        distinct = pc.count_distinct(table.column(name)).as_py()
        if distinct != table.num_rows:
            faults.append(f"data: {table.num_rows - distinct} rows repeat a {name}")
    faults += _text_faults(table)
    return faults


def _text_faults(table: pa.Table) -> list[str]:
    faults: list[str] = []
    columns = ("sample_id", "source", "image_id", "images", "messages")
    for row, (sample_id, source, image_id, images, turns) in enumerate(
        zip(*(table.column(name).to_pylist() for name in columns), strict=True)
    ):
        messages = [Message(**turn) for turn in turns]
        if sample_id != sample_id_of(source, image_id, images, messages):
            faults.append(f"row {row}: sample_id {sample_id} does not belong to its text")
        prompt, answer = messages[0].content, messages[-1].content.removesuffix(IMAGE_GEN)
        if prompt != normalise(prompt) or answer != normalise_answer(answer):
            faults.append(f"row {row}: text is not in the normal form")
    return faults


def _reject_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    told = manifest["counts"]["rejects"]
    if not told:
        return []
    try:
        found = REJECTS.read(folder / "rejects").num_rows
    except UserError as error:
        return [str(error)]
    return [] if found == told else [f"rejects: {found} rows, the manifest says {told}"]
