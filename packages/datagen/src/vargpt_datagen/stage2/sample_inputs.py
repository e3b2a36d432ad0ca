"""Small copies of the stage-2 inputs from the sample world, in the layouts of the real ones.

    OUT/inputs/llava_v1_5_mix665k.json      JSON array; pictures by the folders of the real one
    OUT/inputs/onevision/CONFIG/*.parquet   as on the hub, pictures embedded
    OUT/inputs/130k/                        a -130K build with the offline writer
    OUT/inputs/weights.tsv                  weights of the copied configs
    OUT/images/                             image root: coco/train2017, gqa/images, ..., world

A few records have the faults that the real sets have, so that every step has something to do.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

from vargpt_datagen.build_130k import Build130kConfig, build_130k
from vargpt_datagen.folder import write_text
from vargpt_datagen.progress import progress
from vargpt_datagen.stage2.inputs import InputPaths
from vargpt_datagen.stage2.mixture import PAPER_TOTAL, part_rows
from vargpt_datagen.stage2.sample_llava import SIZE_PX, llava_sample
from vargpt_datagen.stage2.sample_onevision import weights_text, write_subsets
from vargpt_datagen.world import draw_for_build
from vargpt_schema import UserError

_VERSION = 1  # bump when the copies change
_FEWEST_ROWS = 1_000  # the copies are for at least so many, so that tiny builds may grow
_SPARE_FRAC, _SPARE_ROWS = 0.05, 40  # so that faulty records can be replaced


def sample_paths(out: Path) -> InputPaths:
    """Where the copies of a build lie."""
    inputs = out / "inputs"
    return InputPaths(
        llava=inputs / "llava_v1_5_mix665k.json",
        onevision=inputs / "onevision",
        instruct=inputs / "130k",
        image_root=out / "images",
        weights=inputs / "weights.tsv",
    )


def write_sample_inputs(out: Path, rows: int) -> None:
    """Write the copies for a build of so many rows, unless they are there.

    UserError when they are there for fewer rows, or the world has no scenes for so many.
    """
    if rows > PAPER_TOTAL:
        raise UserError(
            f"--rows {rows}: 1 to {PAPER_TOTAL} expected. Ask for fewer: the sample world copies "
            "no more than the paper has."
        )
    paths = sample_paths(out)
    note = out / "inputs" / "made.json"
    for_rows = max(rows, _FEWEST_ROWS)
    try:
        made = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        made = None
    if made is not None and made["version"] == _VERSION:
        if made["rows"] < rows:
            raise UserError(
                f"{note.parent}: copies for {made['rows']:,} rows found, --rows {rows:,} was asked "
                "for. Choose another folder with --out DIR."
            )
        return
    wanted = {
        part: math.ceil(size * (1 + _SPARE_FRAC)) + _SPARE_ROWS
        for part, size in part_rows(for_rows).items()
    }
    with progress("sample world: LLaVA") as show:
        _write_llava(paths, wanted["llava"], show)
    with progress("sample world: OneVision") as show:
        write_subsets(paths.onevision, wanted["onevision"], wanted["language"], show)
    build_130k(Build130kConfig(out=paths.instruct, rows=wanted["instruct"]))
    with progress("sample world: pictures of -130K") as show:
        draw_for_build(paths.instruct, SIZE_PX, show, paths.image_root)
    assert paths.weights
    write_text(paths.weights, weights_text())
    write_text(note, json.dumps({"version": _VERSION, "rows": for_rows}) + "\n")


def _write_llava(paths: InputPaths, size: int, show: Callable[[int, int], None]) -> None:
    paths.llava.parent.mkdir(parents=True, exist_ok=True)
    folders: set[Path] = set()
    with paths.llava.open("w", encoding="utf-8") as file:
        for number in range(size):
            sample = llava_sample(number)
            text = json.dumps(sample.record, indent=2, ensure_ascii=False)
            file.write(("[\n" if number == 0 else ",\n") + text)
            if sample.image:
                path = paths.image_root / sample.image
                if path.parent not in folders:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    folders.add(path.parent)
                if sample.data:
                    path.write_bytes(sample.data)
            show(number + 1, size)
        file.write("\n]\n")
