"""OUT/report.html and OUT/quality.json, from a build's manifest, shards and rejects."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import Environment, PackageLoader, StrictUndefined

from vargpt_datagen.beside_130k import overlap_text
from vargpt_datagen.build_rows import (
    num_rows_of,
    rows_at,
    seed_texts,
    seeded_numbers,
    table_of,
)
from vargpt_datagen.folder import BuildFolder, disk_faults_are_said, write_text
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.printable import printable_lines
from vargpt_datagen.report import plots
from vargpt_datagen.report.gallery import picture_of
from vargpt_datagen.report.quality import quality_of
from vargpt_datagen.report.rejected import reject_groups
from vargpt_datagen.report.texts import measure_texts, read_part
from vargpt_datagen.report.usage import COLUMNS, uses
from vargpt_datagen.review import read_review
from vargpt_schema import UserError
from vargpt_schema.compute import pc

QUALITY = "quality.json"
GALLERY_ROWS, GALLERY_ROWS_OPEN = 48, 12


def make_report(folder: Path, image_root: Path | None = None) -> Path:
    """Write OUT/report.html, the same bytes for the same build; returns its path.

    Its figures are written as OUT/quality.json too. Pictures of real rows are looked up below
    `image_root`. UserError when the folder holds no published build.
    """
    manifest = read_manifest(folder)
    if manifest["set"] == "stage2":
        from vargpt_datagen.stage2.report import make_stage2_report  # built from parts of this one

        return make_stage2_report(folder, image_root)
    if image_root is not None:
        expect_image_root(image_root)
    with _frugal_memory():
        page, quality = _page_and_quality(folder, manifest, image_root)
    return write_report(folder, page, quality)


def write_report(folder: Path, page: str, quality: dict[str, Any]) -> Path:
    """Write the page, and its figures beside it; returns the page's path."""
    path = BuildFolder(folder).report
    with disk_faults_are_said(folder):
        write_text(folder / QUALITY, json.dumps(quality, indent=2, ensure_ascii=False) + "\n")
        write_text(path, page)
    return path


def expect_image_root(image_root: Path) -> None:
    """UserError unless the folder that image paths start in is there."""
    if not image_root.is_dir():
        raise UserError(
            f"--image-root {image_root}: no such folder, the folder that image paths start in was "
            "expected. Check the path, or leave it out."
        )


def _page_and_quality(
    folder: Path, manifest: dict[str, Any], image_root: Path | None
) -> tuple[str, dict[str, Any]]:
    num_rows = num_rows_of(folder)
    if num_rows == 0:
        raise UserError(f"{folder}: a build without rows, at least one was expected. Build again.")
    texts = measure_texts(partial(read_part, folder))
    held = table_of(folder)
    wanted = [name for name in (*COLUMNS, "attempts") if name in held.schema.names]
    table = held.read(folder, wanted)
    pools = uses(table, manifest)
    gallery = [
        {"row": row, "picture": picture_of(row, image_root)}
        for row in rows_at(folder, seeded_numbers(num_rows, GALLERY_ROWS, seed=0))
    ]
    page = (
        page_environment()
        .get_template("report.jinja")
        .render(
            manifest=manifest,
            is_world=manifest.get("captions", {}).get("source") == "world",
            is_offline=manifest.get("config", {}).get("writer") == "offline",
            gallery=gallery,
            num_open=GALLERY_ROWS_OPEN,
            seed_texts=seed_texts(manifest),
            texts=texts,
            uses=pools,
            asked_again_frac=_asked_again_frac(table) if "attempts" in wanted else None,
            reject_groups=reject_groups(folder),
            review=read_review(folder),
            plots=plots,
            overlap_text=overlap_text,
        )
    )
    return page, quality_of(manifest, texts, pools)


@contextmanager
def _frugal_memory() -> Iterator[None]:
    """Arrow's own allocator keeps what it was given back; here that would be half of the peak."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def page_environment() -> Environment:
    """What pages are rendered in: everything escaped, nothing undefined."""
    environment = Environment(
        loader=PackageLoader("vargpt_datagen"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["percent"] = _percent
    environment.filters["unit"] = lambda length: f"{length:.2f}".rstrip("0").rstrip(".")
    environment.filters["bytes"] = lambda size: (
        f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"
    )
    environment.filters["p_value"] = lambda p: f"{p:.2f}" if p >= 0.01 else f"{p:.1g}"
    return environment


def _finalize(value: Any) -> Any:
    """Every plain text that reaches the page loses control characters; markup is the page's own."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable_lines(value)
    return value


def _percent(share: float) -> str:
    """A share, rounded so that neither 0 % nor 100 % is said of anything else."""
    digits = 1 if share >= 0.01 or share == 0 else 2
    text = f"{share:.{digits}%}"
    if text == "100.0%" and share < 1:
        return "over 99.9%"
    if text == "0.00%":
        return "under 0.01%"
    return text.replace(".0%", "%") if share in (0, 1) else text


def _asked_again_frac(table: pa.Table) -> float | None:
    """Share of the rows whose first reply was unusable; None where nothing was asked."""
    return pc.mean(pc.greater(table.column("attempts"), 1)).as_py()
