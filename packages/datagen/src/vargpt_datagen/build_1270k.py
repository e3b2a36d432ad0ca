"""`datagen build-1270k`: ImageNet-Instruct-1270K again, or its like from the sample world.

Paper, Section 4.2: captions put into templates, without a language model. The caption is the same
in request and answer, and verbatim: nothing is rewritten.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vargpt_datagen.beside_130k import Beside, overlap, read_beside
from vargpt_datagen.folder import BuildFolder
from vargpt_datagen.image_columns import ImageColumns, open_images
from vargpt_datagen.report import expect_image_root
from vargpt_datagen.splitmix import key_of, seeded_order
from vargpt_datagen.template_build import (
    Built,
    TemplateBuild,
    num_rows_of,
    template_manifest,
    write_build,
)
from vargpt_datagen.template_dry_run import template_dry_run_text
from vargpt_datagen.template_rows import chosen_templates, combined, forms_of, instruct_rows
from vargpt_datagen.wording_templates import read_templates, shipped_templates
from vargpt_schema import INSTRUCT

ROWS_IN_PAPER = 1_270_000
TEXT_VERSION = 1  # bump on any change of what a row says or of which rows there are
_OF_THE_PLACE = ("out", "image_root", "work_dir")  # options that change nothing of a build


@dataclass(frozen=True, slots=True, kw_only=True)
class Build1270kConfig:
    """Options of `datagen build-1270k`."""

    out: Path | None = None  # None: ./1270k-<source>
    rows: int | None = None  # None: 1,270,000, or as many as there are captions
    seed: int = 0
    captions: str = "world"  # hub, or a captions file or folder
    image_root: Path | None = None  # where the report finds real pictures
    templates: Path | None = None  # None: the shipped ones
    style_safe: bool = False  # no drawings, figures, paintings and sketches of photographs
    beside: Path | None = None  # a -130K, whose images come last
    work_dir: Path | None = None  # lock and list of finished shards; None: OUT/.work


def build_1270k(config: Build1270kConfig) -> Built:
    """Build or resume one folder and its report; a finished one is left as it is.

    UserError on bad input.
    """
    return write_build(_prepared(config))


def dry_run_1270k(config: Build1270kConfig) -> str:
    """What a build would hold, with its first rows; nothing is written."""
    return template_dry_run_text(_prepared(config))


def _prepared(config: Build1270kConfig) -> TemplateBuild:
    if config.image_root is not None:
        expect_image_root(config.image_root)
    templates = read_templates(config.templates) if config.templates else shipped_templates()
    if config.style_safe:
        templates = templates.style_safe()
    forms = forms_of(templates)
    images = open_images(
        config.captions, split="train", image_root=config.image_root, needs_captions=True
    )
    num_rows = num_rows_of(config.rows, ROWS_IN_PAPER, images, config.captions)
    beside = read_beside(config.beside, images, config.captions) if config.beside else None
    order = _order(config.seed, images, beside)
    identity = {
        "set": "1270k",
        "rows": num_rows,
        "seed": config.seed,
        "captions": config.captions,
        "captions_sha256": images.fingerprint,
        "templates_sha256": templates.sha256(),
        "style_safe": config.style_safe,
        "beside_sha256": beside.sha256 if beside else None,
        "text_version": TEXT_VERSION,
    }

    def rows(found: pa.Table, span: range) -> pa.Table:
        numbers = np.arange(span.start, span.stop)
        return instruct_rows(
            found,
            combined(found, "caption"),
            chosen_templates(numbers, forms, seed=config.seed, captions=images.fingerprint),
            forms,
            source=images.name,
            method="template",
        )

    def manifest(files: list[dict[str, object]]) -> dict[str, Any]:
        defaults = {each.name: each.default for each in dataclasses.fields(Build1270kConfig)}
        return template_manifest(
            images,
            name="1270K",
            verb="build-1270k",
            identity=identity,
            options={name: getattr(config, name) for name in defaults if name not in _OF_THE_PLACE},
            defaults=defaults,
            forms=forms,
            template_version=templates.version,
            files=files,
            overlap_130k=overlap(num_rows, images, order[:num_rows], beside),
        )

    return TemplateBuild(
        folder=BuildFolder(config.out or Path(f"1270k-{images.name}"), config.work_dir),
        table=INSTRUCT,
        split="train",
        num_rows=num_rows,
        identity=identity,
        images=lambda spans: images.tables([order[each.start : each.stop] for each in spans]),
        rows=rows,
        manifest=manifest,
        image_root=config.image_root,
        without_dictionary=(
            "sample_id",
            "image_id",
            "images.list.element",
            "caption",
            "messages.list.element.content",
        ),
    )


def _order(seed: int, images: ImageColumns, beside: Beside | None) -> np.ndarray:
    """The images in seeded order; those of the other build last, so that few rows have them."""
    order = seeded_order(key_of("1270k", seed, images.fingerprint), images.num_rows)
    if beside is None:
        return order
    is_last = beside.has_image[order]
    return np.concatenate([order[~is_last], order[is_last]])
