"""`datagen build-class`: ImageNet-Instruct-class again, or its like from the sample world.

One row a training image, its text made from the name of its class. The paper gives the text in two
forms, in Figure 15 and in Section 4.2, which contradict each other.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vargpt_datagen.class_wording import FORMS, Form, Name, class_phrases
from vargpt_datagen.folder import BuildFolder
from vargpt_datagen.image_columns import open_images
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
from vargpt_datagen.template_rows import Chosen, instruct_rows
from vargpt_schema import INSTRUCT

TEXT_VERSION = 1  # bump on any change of what a row says or of which rows there are


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildClassConfig:
    """Options of `datagen build-class`."""

    out: Path | None = None  # None: ./class-<source>
    rows: int | None = None  # None: one for every training image
    seed: int = 0
    captions: str = "world"  # hub, a captions file or folder, an ImageNet folder
    image_root: Path | None = None  # where the report finds real pictures
    form: Form = "fig15"
    name: Name = "full"
    work_dir: Path | None = None  # lock and list of finished shards; None: OUT/.work


def build_class(config: BuildClassConfig) -> Built:
    """Build or resume one folder and its report; a finished one is left as it is.

    UserError on bad input.
    """
    return write_build(_prepared(config))


def dry_run_class(config: BuildClassConfig) -> str:
    """What a build would hold, with its first rows; nothing is written."""
    return template_dry_run_text(_prepared(config))


def _prepared(config: BuildClassConfig) -> TemplateBuild:
    if config.image_root is not None:
        expect_image_root(config.image_root)
    images = open_images(
        config.captions, split="train", image_root=config.image_root, needs_captions=False
    )
    num_rows = num_rows_of(config.rows, images.num_rows, images, config.captions)
    order = seeded_order(key_of("class", config.seed, images.fingerprint), images.num_rows)
    forms = FORMS[config.form]
    identity = {
        "set": "class",
        "rows": num_rows,
        "seed": config.seed,
        "captions": config.captions,
        "captions_sha256": images.fingerprint,
        "form": config.form,
        "name": config.name,
        "text_version": TEXT_VERSION,
    }

    def rows(found: pa.Table, span: range) -> pa.Table:
        chosen = np.zeros(len(span), np.int32)
        return instruct_rows(
            found,
            class_phrases(found, config.form, config.name, config.captions),
            Chosen(chosen, chosen),
            forms,
            source=images.name,
            method="class",
        )

    def manifest(files: list[dict[str, object]]) -> dict[str, Any]:
        defaults = {each.name: each.default for each in dataclasses.fields(BuildClassConfig)}
        return template_manifest(
            images,
            name="class",
            verb="build-class",
            identity=identity,
            options=identity | {"rows": config.rows},
            defaults=defaults,
            forms=forms,
            template_version=TEXT_VERSION,
            files=files,
        )

    return TemplateBuild(
        folder=BuildFolder(config.out or Path(f"class-{images.name}"), config.work_dir),
        table=INSTRUCT,
        split="train",
        num_rows=num_rows,
        identity=identity,
        images=lambda spans: images.tables([order[each.start : each.stop] for each in spans]),
        rows=rows,
        manifest=manifest,
        image_root=config.image_root,
        without_dictionary=("sample_id", "image_id", "images.list.element"),
    )
