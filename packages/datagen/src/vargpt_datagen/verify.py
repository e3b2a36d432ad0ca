"""`datagen verify`: every promise of a published build, checked against its files."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import UndefinedError

from vargpt_datagen.captioning.verifying import caption_folder_faults
from vargpt_datagen.card import card_text
from vargpt_datagen.folder import CARD, MANIFEST, REPORT
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.printable import printable
from vargpt_datagen.report.page import QUALITY
from vargpt_datagen.seeds.verifying import seed_folder_faults
from vargpt_datagen.stage2.verify import stage2_faults
from vargpt_datagen.verify_eval import eval_faults
from vargpt_datagen.verify_files import file_faults, foreign_faults
from vargpt_datagen.verify_replies import reply_faults
from vargpt_datagen.verify_rows import RowRules, reject_faults, row_faults
from vargpt_datagen.verify_templates import template_faults
from vargpt_datagen.writer_config import OFFLINE
from vargpt_schema import INSTRUCT, REJECTS, REPLIES, Table, UserError
from vargpt_schema.compute import pc

AGAIN = "Run the command that builds it again."
# A build that agrees with its own manifest counts as finished: the command would change nothing.
ANEW = f"Delete {MANIFEST} and run the command that builds it again."


def verify(folder: Path) -> list[str]:
    """Faults of a build folder, one printable line each; empty when it is good.

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
        return [printable(str(error))]
    if manifest["set"] == "captions":
        return [printable(fault) for fault in caption_folder_faults(folder, manifest)]
    if manifest["set"] == "seeds":
        return [printable(fault) for fault in seed_folder_faults(folder, manifest)]
    faults = file_faults(folder, manifest, AGAIN) + foreign_faults(folder, manifest)
    if not faults:  # contents of damaged or missing files would only repeat the same news
        faults = _content_faults(folder, manifest)
    faults += _card_faults(folder, manifest)
    faults += [
        f"{page}: missing. Run `datagen report {folder}`."
        for page in (REPORT, QUALITY)
        if not (folder / page).is_file()
    ]
    return [printable(fault) for fault in faults]


def published_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """What publishing again would mend: files and card that are not what the manifest says."""
    return file_faults(folder, manifest, AGAIN) + _card_faults(folder, manifest)


def _card_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    if not (folder / CARD).is_file():
        return [f"{CARD}: missing. {AGAIN}"]
    try:
        expected = card_text(manifest).encode()
    except (LookupError, TypeError, ValueError, UndefinedError) as error:
        return [f"{MANIFEST}: damaged, no card can be made from it ({error}). {AGAIN}"]
    if (folder / CARD).read_bytes() != expected:
        return [f"{CARD}: not the card of this manifest. {AGAIN}"]
    return []


def _content_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    try:
        if manifest["set"] in ("class", "1270k"):
            return template_faults(folder, manifest, ANEW)
        if manifest["set"] == "eval":
            return eval_faults(folder, manifest, ANEW)
        if manifest["set"] == "stage2":
            return stage2_faults(folder, manifest)
    except UserError as error:
        return [str(error)]
    except pa.ArrowInvalid as error:
        return [f"data: damaged ({error}), readable text expected. {ANEW}"]
    try:
        rows = _read(INSTRUCT, folder / "data")
        rejects = _read(REJECTS, folder / "rejects")
        replies = _read(REPLIES, folder / "replies")
    except UserError as error:
        return [str(error)]
    faulty = row_faults(rows, RowRules.of(manifest))
    faults = [f"row {fault.row}: {fault.rule}" for fault in faulty]
    if faults:
        number = len({fault.row for fault in faulty})
        faults.insert(0, f"data: {number} of {rows.num_rows} rows have a fault. {ANEW}")
    for name in ("sample_id", "image_id"):
        distinct = pc.count_distinct(rows.column(name)).as_py()
        if distinct != rows.num_rows:
            faults.append(f"data: {rows.num_rows - distinct} rows repeat a {name}. {ANEW}")
    faults += [f"reject {fault.row}: {fault.rule}. {ANEW}" for fault in reject_faults(rejects)]
    if manifest["config"].get("writer") not in (None, OFFLINE):  # text that was paid for
        faults += [f"{fault}. {ANEW}" for fault in reply_faults(manifest, replies, rows, rejects)]
    return [*faults, *_count_faults(manifest, rows, rejects)]


def _read(table: Table[Any], folder: Path) -> pa.Table:
    """The table of a folder; without rows when it has no file. UserError for a damaged one."""
    if not any(folder.glob("*.parquet")):
        return table.from_records([])
    found = table.read(folder)
    try:
        found.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UserError(
            f"{folder.name}: damaged ({error}), readable text expected. {ANEW}"
        ) from error
    return found


def _count_faults(manifest: dict[str, Any], rows: pa.Table, rejects: pa.Table) -> list[str]:
    """What the manifest counts, counted again."""
    turns = rows.column("messages").combine_chunks().flatten()
    role, content = pc.struct_field(turns, "role"), pc.struct_field(turns, "content")
    attempts = [pc.sum(table.column("attempts")).as_py() or 0 for table in (rows, rejects)]
    found = {
        "counts.rows": rows.num_rows,
        "counts.rejects": rejects.num_rows,
        "counts.judged_replies": sum(attempts),
        "counts.distinct_prompts": _num_distinct(content, role, "user"),
        "counts.distinct_answers": _num_distinct(content, role, "assistant"),
        "config.rows": rows.num_rows + manifest["counts"].get("open_rows", 0),
        "generators": _counted(rows.column("generator")),
        "rejects_by_reason": _counted(rejects.column("reason")),
    }
    faults: list[str] = []
    for name, value in found.items():
        told: Any = manifest
        for part in name.split("."):
            told = told.get(part)
        if told != value:
            faults.append(f"{MANIFEST}: {name} is {told}, the tables hold {value}. {ANEW}")
    return faults


def _num_distinct(content: pa.Array, role: pa.Array, side: str) -> int:
    return pc.count_distinct(pc.filter(content, pc.equal(role, side))).as_py()


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    counts = pc.value_counts(pc.drop_null(column)).to_pylist()
    return {count["values"]: count["counts"] for count in counts}
