"""What `datagen verify` expects of a stage-2 build's rows, rejects and counts."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from vargpt_datagen.stage2.manifest_parts import manifest_fault
from vargpt_datagen.stage2.mixture import CATEGORIES
from vargpt_datagen.verify_rows import RowRules, row_faults
from vargpt_schema import INSTRUCT, REJECTS, Message, RowFault, UserError, sample_id_of
from vargpt_schema.compute import pc

ANEW = "Delete manifest.json and run the command that builds it again."
# Imported rows name a picture of their own set; what came inside a table is named for its bytes.
_EMBEDDED = r"^onevision/[A-Za-z0-9_-]+/[0-9a-f]{64}\.jpg$"
_ROWS_IN_MEMORY = 5_000  # as Python objects
_EMPTY_COLUMNS = (
    "caption",
    "label",
    "wnid",
    "prompt_seed_id",
    "caption_seed_id",
    "answer_seed_id",
    "prompt_template_id",
    "answer_template_id",
    "generator",
    "request_sha256",
    "attempts",
)
_MAX_FAULTS = 1_000  # of rows; more say nothing new


def stage2_faults(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Faults of the rows and rejects of a stage-2 build, one line each; empty when they are good.

    The files are taken to be those of the manifest. One shard is in memory at a time.
    """
    damage = manifest_fault(manifest)
    if damage:
        return [f"manifest.json: damaged ({damage}). {ANEW}"]
    found = _Counts()
    faults: list[str] = []
    first = 0
    try:
        for shard in INSTRUCT.files(folder):
            table = _read(shard)
            rows = _row_faults(table, manifest)
            faults += [f"row {first + fault.row}: {fault.rule}" for fault in rows]
            found.add(table)
            first += table.num_rows
        rejects = (
            REJECTS.read(folder / "rejects")
            if any((folder / "rejects").glob("*.parquet"))
            else REJECTS.from_records([])
        )
    except UserError as error:
        return [str(error)]
    if faults:
        number = len({fault.partition(":")[0] for fault in faults})
        faults.insert(0, f"data: {number} of {first} rows have a fault. {ANEW}")
    faults += _reject_faults(rejects)
    return [*faults[:_MAX_FAULTS], *found.faults(manifest, rejects)]


class _Counts:
    """What the manifest counts, counted again."""

    def __init__(self) -> None:
        self._sources: Counter[str] = Counter()
        self._tasks: Counter[str] = Counter()

    def add(self, table: pa.Table) -> None:
        self._sources.update(_counted(table.column("source")))
        self._tasks.update(_counted(table.column("task")))

    def faults(self, manifest: Mapping[str, Any], rejects: pa.Table) -> Iterator[str]:
        told = manifest["mixture"]
        by_category = Counter(dict.fromkeys(CATEGORIES, 0))
        for line in told:
            by_category[line["category"]] += self._sources[line["source"]]
        num_rows = sum(self._sources.values())
        found = {
            "mixture": dict(self._sources),
            "categories": dict(by_category),
            "tasks": dict(self._tasks),
            "counts.rows": num_rows,
            "counts.rejects": rejects.num_rows,
            "counts.short_rows": manifest["config"]["rows"] - num_rows,
            "rejects_by_reason": _counted(rejects.column("reason")),
        }
        manifest = {**manifest, "mixture": {line["source"]: line["rows"] for line in told}}
        for name, value in found.items():
            expected: Any = manifest
            for part in name.split("."):
                expected = expected[part]
            if expected != value:
                yield f"manifest.json: {name} is {expected}, the tables hold {value}. {ANEW}"


def _read(shard: Path) -> pa.Table:
    table = INSTRUCT.read(shard)
    try:
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise UserError(f"{shard}: damaged ({error}), readable text expected. {ANEW}") from error
    return table


def _row_faults(table: pa.Table, manifest: Mapping[str, Any]) -> list[RowFault]:
    is_imported = pc.equal(table.column("method"), "imported")
    places = pc.indices_nonzero(is_imported).to_pylist()
    imported = table.filter(is_imported)
    faults = INSTRUCT.row_faults(imported) if INSTRUCT.row_faults else []
    faults += _import_faults(imported, manifest)
    faults += _id_faults(imported)
    others = pc.indices_nonzero(pc.invert(is_imported)).to_pylist()
    told = manifest["inputs"]["instruct"]
    rules = RowRules.of({"set": "130k", "config": told["config"]})
    copied = row_faults(table.filter(pc.invert(is_imported)), rules)
    return [
        *(RowFault(places[fault.row], fault.rule) for fault in faults),
        *(RowFault(others[fault.row], fault.rule) for fault in copied),
    ]


def _import_faults(table: pa.Table, manifest: Mapping[str, Any]) -> Iterator[RowFault]:
    """Rules of rows that were imported, over whole columns."""
    sources = [line["source"] for line in manifest["mixture"] if line["part"] != "instruct"]
    source = table.column("source")
    is_onevision = pc.starts_with(source, "onevision/")
    images = table.column("images").combine_chunks()
    parents = pc.list_parent_indices(images)
    is_embedded = pc.match_substring_regex(images.flatten(), _EMBEDDED)
    wrong = pc.filter(
        parents, pc.not_equal(is_embedded, pc.take(is_onevision.combine_chunks(), parents))
    )
    rules = {
        "its source is none of the manifest's": pc.invert(
            pc.is_in(source, value_set=pa.array(sources, pa.string()))
        ),
        "an imported row draws no picture": pc.equal(table.column("task"), "generation"),
        "no image_id, its record's id expected": pc.is_null(table.column("image_id")),
        "OneVision's pictures are onevision/SUBSET/SHA256.jpg, no others are": pc.is_in(
            pa.array(range(table.num_rows), parents.type), value_set=pc.unique(wrong)
        ),
        **{
            f"{name} is filled, nothing expected in an imported row": pc.is_valid(
                table.column(name)
            )
            for name in _EMPTY_COLUMNS
        },
    }
    for rule, is_broken in rules.items():
        for row in pc.indices_nonzero(is_broken).to_pylist():
            yield RowFault(row, rule)


def _id_faults(table: pa.Table) -> Iterator[RowFault]:
    columns = ["sample_id", "source", "image_id", "images", "messages"]
    number = 0
    for batch in table.select(columns).to_batches(max_chunksize=_ROWS_IN_MEMORY):
        for row in batch.to_pylist():
            turns = [Message(**turn) for turn in row["messages"]]
            expected = sample_id_of(row["source"], row["image_id"], row["images"], turns)
            if row["sample_id"] != expected:
                rule = f"sample_id {row['sample_id']} does not belong to its text"
                yield RowFault(number, rule)
            number += 1


def _reject_faults(rejects: pa.Table) -> Iterator[str]:
    """Nothing was asked for a record, so nothing was answered."""
    columns = [rejects.column(name).to_pylist() for name in ("request_sha256", "attempts")]
    for number, (request_sha256, attempts) in enumerate(zip(*columns, strict=True)):
        if request_sha256 or attempts:
            yield f"reject {number}: a request is named, none expected. {ANEW}"


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    counts = pc.value_counts(column).to_pylist()
    return {count["values"]: count["counts"] for count in counts}
