"""`datagen build-eval`: what models are asked to draw, 50 prompts for each of 1,000 classes.

Paper, Section 5.1: 50,000 instructions from captions of ImageNet. Here they come from validation
captions, in templates that no training set has, or worded by a language model as in -130K.
"""

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from vargpt_datagen.endpoint.address import read_key
from vargpt_datagen.eval_asking import (
    AskedPrompts,
    EvalRequests,
    ImageCaptions,
    asked_prompts,
    expect_shots,
)
from vargpt_datagen.eval_rows import SPLIT, balanced_order, planned_prompts, prompt_rows
from vargpt_datagen.folder import BuildFolder
from vargpt_datagen.image_columns import IMAGE_COLUMNS, ImageColumns, open_images
from vargpt_datagen.imagenet_classes import TRAINING_STEM
from vargpt_datagen.manifest import sorted_counts
from vargpt_datagen.pools import read_seeds, shipped_seeds, shipped_shot_pairs
from vargpt_datagen.printable import printable
from vargpt_datagen.publishing import describe
from vargpt_datagen.report import expect_image_root
from vargpt_datagen.request import Pools
from vargpt_datagen.template_build import (
    Built,
    TemplateBuild,
    num_rows_of,
    template_manifest,
    write_build,
    write_shards,
)
from vargpt_datagen.template_dry_run import template_dry_run_text
from vargpt_datagen.template_rows import Forms, combined
from vargpt_datagen.wording_templates import shipped_templates
from vargpt_datagen.writer_config import WriterConfig, endpoint_for, identity_of
from vargpt_schema import EVAL_PROMPTS, REJECTS, REPLIES, UserError, world
from vargpt_schema.compute import pc

ROWS_IN_PAPER = 50_000
TEXT_VERSION = 1  # bump on any change of what a row says or of which rows there are

Wording = Literal["template", "llm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildEvalConfig:
    """Options of `datagen build-eval`."""

    out: Path | None = None  # None: ./eval-<source>
    rows: int | None = None  # None: 50,000, or as many as there are captions
    seed: int = 0
    captions: str = "world"  # hub, or a captions file or folder
    image_root: Path | None = None  # where the report finds real pictures
    wording: Wording = "template"
    seeds: Path | None = None  # of --wording llm: a `seeds` table; None: the shipped pools
    work_dir: Path | None = None  # lock, journal, list of finished shards; None: OUT/.work
    writer: WriterConfig = field(default_factory=WriterConfig)  # of --wording llm


def build_eval(config: BuildEvalConfig) -> Built:
    """Build or resume one folder and its report; a finished one is left as it is.

    UserError on bad input.
    """
    prepared = _Prepared(config)
    endpoint = prepared.requests.endpoint if prepared.requests else None
    if endpoint and not prepared.folder.manifest.exists():
        read_key(endpoint, config.writer.key_env)  # before anything is written
    return write_build(prepared.build())


def dry_run_eval(config: BuildEvalConfig) -> str:
    """What a build would hold, or would ask and cost; nothing is written."""
    prepared = _Prepared(config)
    requests = prepared.requests
    if requests is None:
        return template_dry_run_text(prepared.build())
    from vargpt_datagen.dry_run import dry_run_text

    plan = requests.plan(0, range(prepared.num_rows), None)
    return dry_run_text(plan, requests.request_writer(), prepared.num_rows, requests.endpoint)


class _Prepared:
    """Everything a build reads, opened and checked."""

    def __init__(self, config: BuildEvalConfig) -> None:
        if config.image_root is not None:
            expect_image_root(config.image_root)
        self.config = config
        endpoint = None
        if config.wording == "llm":
            endpoint = endpoint_for(config.writer)
        else:
            _expect_no_llm_options(config)
        self.images = open_images(
            config.captions, split=SPLIT, image_root=config.image_root, needs_captions=True
        )
        self.num_rows = num_rows_of(config.rows, ROWS_IN_PAPER, self.images, config.captions)
        found = pa.concat_tables(list(self.images.batches()))
        _refuse_training_images(found, self.images, config)
        labels = pc.fill_null(combined(found, "label"), -1).to_numpy()
        order = balanced_order(labels, seed=config.seed, captions=self.images.fingerprint)
        self._rows = found.take(pa.array(order))
        self._templates = shipped_templates()
        self.requests: EvalRequests | None = None
        if config.wording == "llm":
            seeds = read_seeds(config.seeds) if config.seeds else shipped_seeds()
            self.requests = EvalRequests(
                source=ImageCaptions(self.images, self._rows),
                pools=Pools(seeds=seeds, pairs=shipped_shot_pairs()),
                seed=config.seed,
                endpoint=endpoint,
                writer=config.writer,
            )
            expect_shots(self.requests, config.captions)
        self._asked: AskedPrompts | None = None
        self.folder = BuildFolder(config.out or Path(f"eval-{self.images.name}"), config.work_dir)

    def build(self) -> TemplateBuild:
        return TemplateBuild(
            folder=self.folder,
            table=EVAL_PROMPTS,
            split=SPLIT,
            num_rows=self.num_rows,
            identity=self._identity(),
            images=lambda spans: (self._rows.slice(each.start, len(each)) for each in spans),
            rows=self._rows_of,
            manifest=self._manifest,
            image_root=self.config.image_root,
            write_files=self._write_asked if self.requests else write_shards,
        )

    def _identity(self) -> dict[str, Any]:
        config, asks = self.config, {}
        if self.requests:
            asks = {
                "seeds": str(config.seeds) if config.seeds else None,
                "pools_sha256": self.requests.pools.fingerprint(),
                **identity_of(config.writer, self.requests.endpoint),
                "request_form_sha256": self.requests.request_writer().form_sha256,
            }
        return {
            "set": "eval",
            "rows": self.num_rows,
            "seed": config.seed,
            "captions": config.captions,
            "captions_sha256": self.images.fingerprint,
            "wording": config.wording,
            "templates_sha256": self._templates.sha256(),
            **asks,
            "text_version": TEXT_VERSION,
        }

    def _rows_of(self, images: pa.Table, span: range) -> pa.Table:
        prompts, template_ids = planned_prompts(
            combined(images, "caption"),
            span,
            self._templates.held_out_prompts,
            seed=self.config.seed,
            captions_sha256=self.images.fingerprint,
        )
        if self._asked:
            asked = [self._asked.prompts.get(row) for row in span]
            prompts = pc.coalesce(pa.array(asked, pa.string()), prompts)
            is_asked = pa.array([prompt is not None for prompt in asked])
            template_ids = pc.if_else(is_asked, None, template_ids)
        return prompt_rows(images, prompts, template_ids, self.images.name)

    def _write_asked(self, build: TemplateBuild) -> list[dict[str, object]]:
        assert self.requests
        self._asked = asked_prompts(self.requests, self.num_rows, self.folder)
        files = write_shards(build, keeps_shards=False)
        rejects = REJECTS.from_records(self._asked.rejects)
        replies = REPLIES.from_records(self._asked.replies)
        for table, rows, folder in (
            (REJECTS, rejects, self.folder.rejects),
            (REPLIES, replies, self.folder.replies),
        ):
            path = folder / f"{table.name}-00000-of-00001.parquet"
            if rows.num_rows:
                table.write(rows, path)
                files.append(describe(path, self.folder.root))
            else:
                path.unlink(missing_ok=True)
        return files

    def _manifest(self, files: list[dict[str, object]]) -> dict[str, Any]:
        config, asked = self.config, self._asked
        defaults = {each.name: each.default for each in dataclasses.fields(BuildEvalConfig)}
        options = {name: getattr(config, name) for name in defaults}
        options = {
            name: value
            for name, value in options.items()
            if name not in ("out", "image_root", "work_dir", "writer")
        }
        if self.requests:
            model = self.requests.endpoint.model if self.requests.endpoint else None
            options |= {"writer": identity_of(config.writer, self.requests.endpoint)["writer"]}
            options |= {"model": model}
            defaults |= {"writer": "offline", "model": None}
        labels = pc.value_counts(self._rows.slice(0, self.num_rows).column("label"))
        counts = labels.field("counts").to_pylist()
        return template_manifest(
            self.images,
            name="eval",
            verb="build-eval",
            identity=self._identity(),
            options=options,
            defaults=defaults,
            forms=Forms(self._templates.held_out_prompts, ()),
            template_version=self._templates.version,
            files=files,
            classes={"number": len(counts), "fewest_rows": min(counts), "most_rows": max(counts)},
            **(self._asked_parts(asked) if asked else {}),
        )

    def _asked_parts(self, asked: AskedPrompts) -> dict[str, Any]:
        assert self.requests
        assert asked.usage
        pools, usage = self.requests.pools, asked.usage
        seeds = [seed for kind in pools.seeds.values() for seed in kind]
        return {
            "seeds": {
                "generators": sorted({seed.generator for seed in seeds}),
                "counts": {kind: len(pool) for kind, pool in pools.seeds.items()},
            },
            "shot_pairs": len(pools.pairs),
            "rejects_by_reason": sorted_counts(_reasons(asked)),
            "tokens": {
                "prompt": usage.prompt_tokens,
                "cached": usage.cached_tokens,
                "completion": usage.completion_tokens,
            },
            "usd": None if usage.num_unpriced else usage.usd,
            "counts": {
                "rows": self.num_rows,
                "rejects": len(asked.rejects),
                "judged_replies": asked.judged_replies,
                "template_prompts": self.num_rows - len(asked.prompts),
            },
        }


def _reasons(asked: AskedPrompts) -> Counter[str]:
    return Counter(reject.reason for reject in asked.rejects)


def _expect_no_llm_options(config: BuildEvalConfig) -> None:
    usual = BuildEvalConfig()
    given = {
        "--writer": (config.writer.name, usual.writer.name),
        "--model": (config.writer.model, usual.writer.model),
        "--max-usd": (config.writer.max_usd, usual.writer.max_usd),
        "--seeds": (config.seeds, usual.seeds),
    }
    for option, (value, unused) in given.items():
        if value != unused:
            raise UserError(
                f"{option} {value}: an option of --wording llm, but the wording is template. "
                f"Add --wording llm, or leave {option} out."
            )


def _refuse_training_images(found: pa.Table, images: ImageColumns, config: BuildEvalConfig) -> None:
    """An image that a training set may hold would make the scores worthless."""
    ids = combined(found, "image_id")
    if images.name == "world":
        known = pa.array([world.image_id(index) for index in world.SPLITS[SPLIT]])
        is_bad = pc.invert(pc.is_in(ids, value_set=known))
    elif images.name == "imagenet":
        is_bad = pc.match_substring_regex(ids, TRAINING_STEM)
    else:
        training = _training_images(config)
        of_training = [
            pc.is_in(combined(found, name), value_set=combined(training, name))
            for name in ("image_id", "image")
        ]
        is_bad = pc.or_(*of_training)
    if pc.any(is_bad).as_py():
        first = ids.filter(is_bad)[0].as_py()
        raise UserError(
            f"{config.captions}: image {printable(first)} of split {SPLIT} is a training image "
            f"({pc.sum(is_bad).as_py():,} such images), images of no training set were expected. "
            "Take them out of one of the splits."
        )


def _training_images(config: BuildEvalConfig) -> pa.Table:
    """The same source's training images; none where it has no training split."""
    try:
        images = open_images(
            config.captions, split="train", image_root=config.image_root, needs_captions=False
        )
    except UserError:  # its files are the ones that were read before, so this split is empty
        return IMAGE_COLUMNS.empty_table()
    return pa.concat_tables(list(images.batches()))
