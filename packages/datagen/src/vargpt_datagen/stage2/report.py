"""The report of a stage-2 build: its mixture beside the paper's, rows, rejects, pictures."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.build_rows import rows_at, seeded_numbers
from vargpt_datagen.folder import MANIFEST
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.report import plots
from vargpt_datagen.report.gallery import picture_of
from vargpt_datagen.report.page import expect_image_root, page_environment, write_report
from vargpt_datagen.report.plots import Plot, length_plot
from vargpt_datagen.report.quality import quality_of
from vargpt_datagen.report.rejected import reject_groups
from vargpt_datagen.report.texts import measure_texts, read_part
from vargpt_datagen.stage2.card import is_sample_world
from vargpt_datagen.stage2.conversation import CHANGES
from vargpt_datagen.stage2.manifest_parts import manifest_fault
from vargpt_datagen.stage2.mixture import LLAVA_ROOTS, PAPER_PERCENT, STAGES
from vargpt_datagen.stage2.publish import UNUSABLE
from vargpt_schema import INSTRUCT, UserError
from vargpt_schema.compute import pc

GALLERY_ROWS = 24
_LONGEST_FRAC = 0.01  # shown together, so that a few long texts do not flatten the plot


class Measured(NamedTuple):
    """Lengths of some rows' texts."""

    rows: int
    plots: list[Plot]
    multi_turn_frac: float


def make_stage2_report(folder: Path, image_root: Path | None = None) -> Path:
    """Write OUT/report.html and OUT/quality.json, the same bytes for the same build.

    Returns the path of the first. Rows lie in a seeded order, so those of the first shard are a
    sample of all. UserError when the folder holds no published build.
    """
    manifest = read_manifest(folder)
    damage = manifest_fault(manifest)
    if damage:
        raise UserError(
            f"{folder / MANIFEST}: damaged ({damage}). Delete it and run the command that builds "
            "the folder again."
        )
    if image_root is not None:
        expect_image_root(image_root)
    elif is_sample_world(manifest) and (folder / "images").is_dir():
        image_root = folder / "images"
    shard = INSTRUCT.files(folder)[0]
    num_rows = INSTRUCT.read(shard, ["task"]).num_rows
    gallery = [
        {"row": row, "picture": picture_of(row, image_root)}
        for row in rows_at(shard, seeded_numbers(num_rows, GALLERY_ROWS, seed=0))
    ]
    page = (
        page_environment()
        .get_template("stage2_report.jinja")
        .render(
            manifest=manifest,
            is_world=is_sample_world(manifest),
            gallery=gallery,
            measured=_measured(INSTRUCT.read(shard, ["messages"])),
            reject_groups=reject_groups(folder),
            faults=_picture_faults(folder),
            paper_percent=PAPER_PERCENT,
            llava_roots=LLAVA_ROOTS,
            stages=STAGES,
            changes=CHANGES,
            plots=plots,
        )
    )
    texts = measure_texts(partial(read_part, shard))
    # The pools are those of -130K, whose own report has them.
    read_rows = f"the {num_rows:,} rows of {shard.name}"
    quality = quality_of(manifest, texts, uses=[], read_rows=read_rows)
    return write_report(folder, page, quality)


def _measured(table: pa.Table) -> Measured:
    messages = table.column("messages").combine_chunks()
    content = pc.struct_field(messages.flatten(), "content")
    words = pc.count_substring_regex(content, r"\S+").to_numpy(zero_copy_only=False)
    turns = pc.list_value_length(messages).to_numpy(zero_copy_only=False)
    ends = np.cumsum(turns)
    starts = ends - turns
    return Measured(
        rows=len(turns),
        plots=[
            _plot("First request", words[starts]),
            _plot("First answer", words[starts + 1]),
            _plot("Whole conversation", np.add.reduceat(words, starts)),
        ],
        multi_turn_frac=float((turns > 2).mean()),
    )


def _plot(title: str, lengths: np.ndarray) -> Plot:
    return length_plot(title, np.minimum(lengths, np.quantile(lengths, 1 - _LONGEST_FRAC)))


def _picture_faults(folder: Path) -> dict[str, int]:
    """Pictures by fault, from the list of them; empty when it was moved away."""
    found: dict[str, int] = {}
    try:
        lines = (folder / UNUSABLE).read_text("utf-8").splitlines()[1:]
    except OSError:
        return found
    for line in lines:
        fault = line.split("\t")[1]
        found[fault] = found.get(fault, 0) + 1
    return dict(sorted(found.items(), key=lambda item: -item[1]))
