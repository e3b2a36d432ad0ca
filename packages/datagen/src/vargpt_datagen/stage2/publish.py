"""Publishing a stage-2 build: rows in their seeded order, rejects, pictures at fault, manifest."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.folder import BuildFolder, write_text
from vargpt_datagen.manifest import FORMAT, command_line, sorted_counts, versions
from vargpt_datagen.printable import printable
from vargpt_datagen.publishing import describe
from vargpt_datagen.splitmix import hashes, key_of
from vargpt_datagen.stage2.card import SAMPLE_WORLD, stage2_card_text
from vargpt_datagen.stage2.inputs import InputPaths, Inputs
from vargpt_datagen.stage2.mixture import (
    CATEGORIES,
    IMAGE_GENERATION,
    PAPER_TOTAL,
    PARTS,
    SAMPLE_ROWS,
    Category,
    Part,
    llava_category,
)
from vargpt_datagen.stage2.overlap import OverlapCount
from vargpt_datagen.stage2.rows import Findings, Piece, Source
from vargpt_datagen.stage2.selection import Selected
from vargpt_datagen.stage2.shuffle import ROWS_PER_SHARD, Shuffle
from vargpt_schema import REJECTS
from vargpt_schema.compute import pc

UNUSABLE = "unusable_pictures.tsv"


class Made(NamedTuple):
    """A build whose rows have been chosen."""

    inputs: Inputs
    identity: dict[str, Any]
    given: InputPaths | None  # None: the sample world
    wanted: Mapping[Part, int]
    sources: Mapping[Part, Source]
    selected: Mapping[Part, Selected]


def publish_stage2(
    folder: BuildFolder, made: Made, rows_per_shard: int = ROWS_PER_SHARD
) -> dict[str, Any]:
    """Write everything but the report; returns the manifest.

    The old manifest goes first: a folder is published or it is not, never half of each.
    """
    started = time.monotonic()
    for page in (folder.manifest, folder.card, folder.report):
        page.unlink(missing_ok=True)
    findings, overlap = Findings(), OverlapCount()
    rows_by_source: dict[Part, Counter[str]] = {part: Counter() for part in PARTS}
    tasks: Counter[str] = Counter()
    num_rows = sum(len(selected.accepted) for selected in made.selected.values())
    with Shuffle(folder, num_rows, rows_per_shard) as shuffle:
        for part, piece, ranks in _pieces(made, findings):
            shuffle.add(piece.table, ranks)
            rows_by_source[part].update(_counted(piece.table, "source"))
            tasks.update(_counted(piece.table, "task"))
            if part != "instruct":
                name = "llava" if part == "llava" else "onevision"
                overlap.add(name, piece.first_turns, piece.texts)
        files = list(shuffle.shards())
    if findings.rejects:
        path = folder.rejects / "rejects-00000-of-00001.parquet"
        REJECTS.write(findings.rejects, path)
        files.append(path)
    for old in {*folder.data.glob("train-*-of-*.parquet")} - {*files}:
        old.unlink()
    if not findings.rejects:
        (folder.rejects / "rejects-00000-of-00001.parquet").unlink(missing_ok=True)
    write_text(folder.root / UNUSABLE, _unusable_text(findings))
    manifest = _manifest(made, findings, rows_by_source)
    manifest["tasks"] = sorted_counts(tasks)
    manifest["overlap"] = overlap.overlap()._asdict()
    manifest["files"] = [describe(path, folder.root) for path in files]
    write_text(folder.card, stage2_card_text(manifest))
    write_text(folder.manifest, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    print(f"published in {time.monotonic() - started:.1f} s", file=sys.stderr)
    return manifest


def _pieces(made: Made, findings: Findings) -> Iterator[tuple[Part, Piece, np.ndarray]]:
    """All rows with their ranks: rows of all parts in the order of a second hash of each."""
    accepted = [made.selected[part].accepted for part in PARTS]
    keys = [
        hashes(key_of("stage2 order", part), made.sources[part].hashes[numbers])
        for part, numbers in zip(PARTS, accepted, strict=True)
    ]
    order = np.argsort(np.concatenate(keys), kind="stable")
    ranks = np.empty(len(order), np.uint32)
    ranks[order] = np.arange(len(order), dtype=np.uint32)
    start = 0
    for part, numbers in zip(PARTS, accepted, strict=True):
        for piece in made.sources[part].pieces(made.selected[part], findings):
            yield part, piece, ranks[start + np.searchsorted(numbers, piece.numbers)]
        start += len(numbers)


def _manifest(
    made: Made, findings: Findings, rows_by_source: Mapping[Part, Counter[str]]
) -> dict[str, Any]:
    mixture = _mixture(made, rows_by_source)
    by_category: Counter[str] = Counter()
    for line in mixture:
        by_category[line["category"]] += line["rows"]
    num_rows = sum(by_category.values())
    return {
        "format": FORMAT,
        "name": "VARGPT-Stage2-Mixture" if made.given else "Sample-World-Instruct-Stage2",
        "set": "stage2",
        "command": _command(made),
        "config": made.identity,
        "captions": made.inputs.instruct["captions"],  # of the rows that draw
        "inputs": _inputs(made),
        "parts": {
            part: {
                "wanted": made.wanted[part],
                "rows": len(made.selected[part].accepted),
                "rejects": len(made.selected[part].rejected),
                "available": len(made.sources[part].hashes),
            }
            for part in PARTS
        },
        "mixture": mixture,
        "categories": {category: by_category[category] for category in CATEGORIES},
        "changes": sorted_counts(findings.changes),
        "pictures": {
            "unusable": len(findings.unusable),
            "misnamed": len(findings.misnamed),
        },
        "counts": {
            "rows": num_rows,
            "rejects": len(findings.rejects),
            "short_rows": sum(made.wanted.values()) - num_rows,
        },
        "rejects_by_reason": sorted_counts(Counter(each.reason for each in findings.rejects)),
        "versions": {**versions(), "pillow": version("pillow")},
    }


def _mixture(made: Made, rows_by_source: Mapping[Part, Counter[str]]) -> list[dict[str, Any]]:
    """Rows by source, in the order of parts and then the largest first."""
    categories = {f"onevision/{each.name}": each.weight for each in made.inputs.subsets}
    lines: list[dict[str, Any]] = []
    for part in PARTS:
        for source, rows in sorted_counts(rows_by_source[part]).items():
            category: Category = IMAGE_GENERATION
            if part == "llava":
                category = llava_category(source.removeprefix("llava/"))
            elif part != "instruct":
                category = categories[source].category
            lines.append({"part": part, "source": source, "category": category, "rows": rows})
    return lines


def _inputs(made: Made) -> dict[str, Any]:
    """What was read, by names that do not depend on where it lies."""
    return {
        "llava": {"file": made.inputs.paths.llava.name},
        "onevision": {
            "subsets": len(made.inputs.subsets),
            "rows": sum(subset.num_rows for subset in made.inputs.subsets),
            "weights": made.inputs.weights.name if made.given else SAMPLE_WORLD,
        },
        "instruct": {
            "name": made.inputs.instruct["name"],
            "rows": made.inputs.instruct["counts"]["rows"],
            "config": made.inputs.instruct["config"],
        },
    }


def _command(made: Made) -> str:
    options: dict[str, Any] = made.given._asdict() if made.given else {}
    options |= {"rows": made.identity["rows"], "seed": made.identity["seed"]}
    usual: dict[str, Any] = {"rows": PAPER_TOTAL if made.given else SAMPLE_ROWS, "seed": 0}
    return command_line("build-stage2", options, {**dict.fromkeys(options), **usual})


def _unusable_text(findings: Findings) -> str:
    """Pictures that no row could use, and those whose name tells another format than their data."""
    lines = ["picture\tfault\tused\trows"]
    for place, unusable in sorted(findings.unusable.items()):
        lines.append(f"{printable(place)}\t{unusable.fault}\tno\t{unusable.rows}")
    for place, rows in sorted(findings.misnamed.items()):
        lines.append(f"{printable(place)}\tmisnamed\tyes\t{rows}")
    return "\n".join(lines) + "\n"


def _counted(table: pa.Table, column: str) -> dict[str, int]:
    counts = pc.value_counts(table.column(column)).to_pylist()
    return {count["values"]: count["counts"] for count in counts}
