"""`datagen build-stage2`: the mixture of the second training stage, or its like from the world.

Paper, Section 4.2: LLaVA-1.5's 665K, 508K of LLaVA-OneVision without K12 Printing, 5K of -130K.

Pictures take the time and are noted one by one, so that a killed build goes on where it was. Rows
take minutes and are written anew.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_datagen.folder import BuildFolder, disk_faults_are_said
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.publishing import describe
from vargpt_datagen.stage2.card import stage2_card_text
from vargpt_datagen.stage2.images import EmbeddedImages, ImageRoot
from vargpt_datagen.stage2.inputs import InputPaths, Inputs, given_paths, open_inputs
from vargpt_datagen.stage2.instruct_rows import InstructRows
from vargpt_datagen.stage2.ledger import ImageLedger
from vargpt_datagen.stage2.llava import LlavaRows
from vargpt_datagen.stage2.manifest_parts import manifest_fault
from vargpt_datagen.stage2.mixture import (
    LANGUAGE,
    PAPER_ROWS,
    PAPER_TOTAL,
    PARTS,
    SAMPLE_ROWS,
    Part,
    part_rows,
)
from vargpt_datagen.stage2.onevision import OneVisionRows
from vargpt_datagen.stage2.publish import Made, publish_stage2
from vargpt_datagen.stage2.report import make_stage2_report
from vargpt_datagen.stage2.rows import Source
from vargpt_datagen.stage2.sample_inputs import sample_paths, write_sample_inputs
from vargpt_datagen.stage2.selection import RowHash, Selected, draw_order, select
from vargpt_schema import UserError

_SELECTION_VERSION = 1  # bump on any change of which rows are drawn, or of what they become
_NAMES: Mapping[Part, str] = {
    "llava": "--llava",
    "onevision": "--onevision without Language",
    "language": "--onevision in category Language",
    "instruct": "--instruct",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage2Config:
    """Options of `datagen build-stage2`; without any input the sample world gives all."""

    out: Path | None = None  # None: ./stage2-world or ./stage2-llava-onevision
    rows: int | None = None  # None: the paper's 1,178,298, or a hundredth from the sample world
    seed: int = 0
    llava: Path | None = None
    onevision: Path | None = None
    instruct: Path | None = None
    image_root: Path | None = None  # None: OUT/images, with the sample world
    weights: Path | None = None  # None: the shipped ones
    work_dir: Path | None = None  # list of pictures, lock and half-sorted rows; None: OUT/.work


class BuiltStage2(NamedTuple):
    """What a build came to."""

    out: Path
    num_rows: int
    num_short: int  # rows that were asked for and could not be made
    num_rejects: int
    was_finished: bool  # nothing was left to do


def build_stage2(config: Stage2Config) -> BuiltStage2:
    """Build or resume one folder and its report; a finished one is left as it is.

    UserError on bad input.
    """
    given = given_paths(
        llava=config.llava,
        onevision=config.onevision,
        instruct=config.instruct,
        image_root=config.image_root,
        weights=config.weights,
    )
    if config.rows is not None and config.rows < 1:
        raise UserError(f"--rows {config.rows}: at least 1 was expected. Give the rows to build.")
    opened = open_inputs(given) if given else None  # before anything is written
    folder = BuildFolder(
        config.out or Path("stage2-llava-onevision" if given else "stage2-world"), config.work_dir
    )
    rows = config.rows or (PAPER_TOTAL if given else SAMPLE_ROWS)
    print(f"building in {folder.root}", file=sys.stderr)
    folder.make()
    with disk_faults_are_said(folder.root), folder.locked():
        folder.sweep()
        inputs = opened or _world_inputs(folder, rows)
        identity = {
            "set": "stage2",
            "rows": rows,
            "seed": config.seed,
            **inputs.sha256s,
            "selection_version": _SELECTION_VERSION,
        }
        # A new build notes its configuration when its inputs have been read: until then the user
        # may put right what is wrong with them.
        if folder.started.exists() or folder.manifest.exists():
            folder.expect_config(identity)
        built = _finished(folder, rows)
        if built is None:
            with disk_faults_are_said(inputs.paths.image_root):
                built = _build(inputs, folder, identity, given=given)
        if not folder.report.exists():
            started = time.monotonic()
            make_stage2_report(folder.root, inputs.paths.image_root)
            print(f"report in {time.monotonic() - started:.1f} s", file=sys.stderr)
    return built


def _world_inputs(folder: BuildFolder, rows: int) -> Inputs:
    write_sample_inputs(folder.root, rows)
    return open_inputs(sample_paths(folder.root))


def _build(
    inputs: Inputs, folder: BuildFolder, identity: dict[str, Any], *, given: InputPaths | None
) -> BuiltStage2:
    wanted = part_rows(identity["rows"])
    with _sources(inputs, folder, RowHash(identity["seed"])) as sources:
        orders = {
            part: draw_order(source.hashes, source.fractions) for part, source in sources.items()
        }
        _expect_enough(identity["rows"], wanted, {part: len(orders[part]) for part in PARTS})
        folder.expect_config(identity)
        selected: dict[Part, Selected] = {
            part: select(orders[part], wanted[part], sources[part].judge) for part in PARTS
        }
        made = Made(inputs, identity, given, wanted, sources, selected)
        manifest = publish_stage2(folder, made)
    counts = manifest["counts"]
    return BuiltStage2(
        folder.root, counts["rows"], counts["short_rows"], counts["rejects"], was_finished=False
    )


@contextmanager
def _sources(
    inputs: Inputs, folder: BuildFolder, row_hash: RowHash
) -> Iterator[dict[Part, Source]]:
    """The four parts to draw from; their list of pictures stays open within the block."""
    root = inputs.paths.image_root
    with ExitStack() as stack:
        ledger = ImageLedger(folder.work_dir / "pictures.sqlite")
        stack.callback(ledger.close)
        opened = ImageRoot(root)
        embedded = EmbeddedImages(root, folder.root)
        started = time.monotonic()
        llava = LlavaRows(inputs.paths.llava, image_root=opened, ledger=ledger, row_hash=row_hash)
        print(
            f"{len(llava.hashes):,} records of LLaVA read in {time.monotonic() - started:.0f} s",
            file=sys.stderr,
        )
        language, others = (
            OneVisionRows(
                [each for each in inputs.subsets if (each.weight.category == LANGUAGE) is is_text],
                image_root=opened,
                embedded=embedded,
                ledger=ledger,
                row_hash=row_hash,
            )
            for is_text in (True, False)
        )
        instruct = InstructRows(
            inputs.paths.instruct, image_root=opened, ledger=ledger, row_hash=row_hash
        )
        yield {"llava": llava, "onevision": others, "language": language, "instruct": instruct}


def _expect_enough(rows: int, wanted: Mapping[Part, int], found: Mapping[Part, int]) -> None:
    for part in PARTS:
        if wanted[part] > found[part]:
            largest = min(found[each] * PAPER_TOTAL // PAPER_ROWS[each] for each in PARTS)
            while any(part_rows(largest)[each] > found[each] for each in PARTS):
                largest -= 1
            raise UserError(
                f"{_NAMES[part]}: {found[part]:,} rows to draw from found, --rows {rows:,} needs "
                f"{wanted[part]:,}. Give more, or --rows {largest}."
            )


def _finished(folder: BuildFolder, rows: int) -> BuiltStage2 | None:
    """The published build, when it has these rows and all its files."""
    try:
        manifest = read_manifest(folder.root)
        if manifest_fault(manifest) or manifest["config"]["rows"] != rows:
            return None
        card = folder.card.read_text("utf-8")
        is_whole = card == stage2_card_text(manifest) and all(
            describe(folder.root / file["path"], folder.root) == file for file in manifest["files"]
        )
    except (UserError, OSError, ValueError):  # not published, or damaged: published anew
        return None
    if not is_whole:
        return None
    counts = manifest["counts"]
    return BuiltStage2(
        folder.root, counts["rows"], counts["short_rows"], counts["rejects"], was_finished=True
    )
