"""`datagen build-130k`: ImageNet-Instruct-130K again, or its like from the sample world.

Paper, Section 4.2 and Appendix 8: captions, seeds of three pools and four shots go to an LLM, which
writes the user's request and the assistant's sentence.
"""

import dataclasses
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_datagen.asking import Asked, RowsToWrite, asked_rows
from vargpt_datagen.caption_open import caption_source
from vargpt_datagen.caption_source import CaptionSource
from vargpt_datagen.card import card_text
from vargpt_datagen.dry_run import dry_run_text
from vargpt_datagen.endpoint.address import Endpoint, read_key
from vargpt_datagen.engines import Engine, expect_engine
from vargpt_datagen.folder import BuildFolder, disk_faults_are_said, write_text
from vargpt_datagen.manifest import FORMAT, command_line, read_manifest, sorted_counts, versions
from vargpt_datagen.plan import NUM_SHOTS, PLAN_VERSION, Plan, PlanConfig, reserve_size
from vargpt_datagen.pools import read_seeds, shipped_seeds, shipped_shot_pairs
from vargpt_datagen.publishing import publish
from vargpt_datagen.report import expect_image_root, make_report
from vargpt_datagen.request import Pools, RequestWriter, Shots
from vargpt_datagen.verify import published_faults
from vargpt_datagen.writer_config import OFFLINE, WriterConfig, endpoint_for, identity_of
from vargpt_schema import UserError

ROWS_IN_PAPER = 130_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Build130kConfig:
    """Options of `datagen build-130k`."""

    out: Path | None = None  # None: ./130k-<source>
    rows: int = ROWS_IN_PAPER
    seed: int = 0
    captions: str = "world"  # or hub, or the path of a Parquet file or folder
    image_root: Path | None = None  # where the report finds real pictures
    seeds: Path | None = None  # a `seeds` table; None: the shipped pools
    shots: Shots = "pairs"
    shot_sets: int | None = None  # None: random shots for every row
    engine: Engine = "local"
    workers: int | None = None  # callers of Ray; None: one for each machine
    work_dir: Path | None = None  # journal and lock; None: OUT/.work
    writer: WriterConfig = field(default_factory=WriterConfig)


class Built(NamedTuple):
    """What a build came to."""

    out: Path
    num_rows: int
    num_rejects: int
    was_finished: bool  # nothing was left to do
    usd: float | None = None  # paid for this folder so far; None: offline, or price unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything a build reads, opened and checked."""

    source: CaptionSource
    pools: Pools
    plan: Plan
    requests: RequestWriter
    endpoint: Endpoint | None  # None: the offline writer


def build_130k(config: Build130kConfig) -> Built:
    """Build or resume one folder and its report; a finished one is left as it is.

    UserError on bad input.
    """
    inputs = open_inputs(config)
    folder = build_folder(config, inputs.source)
    if inputs.endpoint and not folder.manifest.exists():
        read_key(inputs.endpoint, config.writer.key_env)  # before anything is written
    print(f"building in {folder.root}", file=sys.stderr)
    folder.make()
    with disk_faults_are_said(folder.root), folder.locked():
        folder.sweep()
        identity = identity_130k(config, inputs)
        folder.expect_config(identity)
        built = _finished(folder, config.rows) or _build(config, inputs, folder, identity)
        if not folder.report.exists():
            started = time.monotonic()
            make_report(folder.root, config.image_root)
            print(f"report in {time.monotonic() - started:.1f} s", file=sys.stderr)
    return built


def _build(
    config: Build130kConfig, inputs: Inputs, folder: BuildFolder, identity: dict[str, Any]
) -> Built:
    rows = RowsToWrite(
        inputs.plan,
        inputs.requests,
        config.rows,
        inputs.endpoint,
        config.writer,
        config.engine,
        config.workers,
    )
    with asked_rows(rows, folder) as asked:
        return publish_130k(inputs, folder, identity, asked)


def publish_130k(
    inputs: Inputs, folder: BuildFolder, identity: dict[str, Any], asked: Asked
) -> Built:
    """Shards, card and manifest of rows that have been written."""
    started = time.monotonic()
    written = asked.written
    files = publish(
        folder, written, plan=inputs.plan, requests=inputs.requests, replies=asked.journal
    )
    manifest = _manifest(inputs, identity, asked, files)
    write_text(folder.card, card_text(manifest))
    write_text(folder.manifest, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    print(f"published in {time.monotonic() - started:.1f} s", file=sys.stderr)
    return Built(
        folder.root,
        len(written.rows),
        len(written.rejects),
        was_finished=False,
        usd=asked.usage.usd if asked.journal and not asked.usage.num_unpriced else None,
    )


def dry_run_130k(config: Build130kConfig) -> str:
    """One rendered request, calls, tokens and USD of a build; nothing is written."""
    inputs = open_inputs(config)
    return dry_run_text(inputs.plan, inputs.requests, config.rows, inputs.endpoint)


def open_inputs(config: Build130kConfig) -> Inputs:
    """Captions, pools, plan and request writer of a configuration."""
    if config.rows < 1:
        raise UserError(f"--rows {config.rows}: at least 1 was expected. Give the rows to build.")
    expect_engine(config.engine, config.workers)
    endpoint = endpoint_for(config.writer)
    if config.image_root is not None:
        expect_image_root(config.image_root)
    source = caption_source(config.captions)
    seeds = read_seeds(config.seeds) if config.seeds else shipped_seeds()
    pools = Pools(seeds=seeds, pairs=shipped_shot_pairs())
    _expect_enough_captions(config, source)
    plan = Plan(
        PlanConfig(
            seed=config.seed,
            fingerprint=f"{source.fingerprint} {pools.fingerprint()}",
            num_captions=len(source),
            pool_sizes=pools.sizes(),
            num_pairs=len(pools.pairs),
            shot_sets=config.shot_sets,
        )
    )
    requests = RequestWriter(
        source,
        pools,
        model=identity_of(config.writer, endpoint)["model"],
        shots=config.shots,
        parameters=endpoint.parameters if endpoint else None,
    )
    return Inputs(source=source, pools=pools, plan=plan, requests=requests, endpoint=endpoint)


def build_folder(config: Build130kConfig, source: CaptionSource) -> BuildFolder:
    """The folder of a build; by default named for the set and its source."""
    return BuildFolder(config.out or Path(f"130k-{source.name}"), config.work_dir)


def _expect_enough_captions(config: Build130kConfig, source: CaptionSource) -> None:
    spares = reserve_size(len(source))
    available = len(source) - spares
    if config.rows > available:
        dropped = sum(source.dropped.values())
        raise UserError(
            f"{config.captions}: {len(source):,} usable captions found ({dropped:,} unfit ones "
            f"dropped), --rows {config.rows:,} and {spares:,} spares need "
            f"{config.rows + spares:,}. Give more captions, or --rows {max(available, 0)}."
        )
    if available <= NUM_SHOTS:
        raise UserError(
            f"{config.captions}: {len(source):,} usable captions found, at least "
            f"{_fewest_captions()} are needed to draw shots from. Give more captions."
        )
    if config.shot_sets is not None and not 2 <= config.shot_sets <= available // NUM_SHOTS:
        raise UserError(
            f"--shot-sets {config.shot_sets}: 2 to {available // NUM_SHOTS} was expected for "
            f"{available:,} captions. Choose fewer sets, or leave the option out."
        )


def _fewest_captions() -> int:
    return next(size for size in count(1) if size - reserve_size(size) > NUM_SHOTS)


def identity_130k(config: Build130kConfig, inputs: Inputs) -> dict[str, Any]:
    """What must not change between two runs on one folder; `rows` may grow."""
    return {
        "set": "130k",
        "rows": config.rows,
        "seed": config.seed,
        "captions": config.captions,
        "captions_sha256": inputs.source.fingerprint,
        "seeds": str(config.seeds) if config.seeds else None,
        "pools_sha256": inputs.pools.fingerprint(),
        "shots": config.shots,
        "shot_sets": config.shot_sets,
        **identity_of(config.writer, inputs.endpoint),
        "request_form_sha256": inputs.requests.form_sha256,
        "plan_version": PLAN_VERSION,
    }


def _finished(folder: BuildFolder, rows: int) -> Built | None:
    """The published build, when it has these rows and all its files."""
    try:
        manifest = read_manifest(folder.root)
    except UserError:  # not published, or damaged: published anew from the journal
        return None
    counts = manifest["counts"]
    if counts["rows"] != rows or published_faults(folder.root, manifest):
        return None
    return Built(folder.root, counts["rows"], counts["rejects"], was_finished=True)


def _manifest(
    inputs: Inputs,
    identity: dict[str, Any],
    asked: Asked,
    files: list[dict[str, object]],
) -> dict[str, Any]:
    defaults = {each.name: each.default for each in dataclasses.fields(Build130kConfig)}
    defaults |= {"writer": OFFLINE, "model": None}
    seeds = [seed for kind in inputs.pools.seeds.values() for seed in kind]
    written, usage, _ = asked
    tally = written.tally
    asked_for = {**identity, "model": identity["model"] if inputs.endpoint else None}
    return {
        "format": FORMAT,
        "name": f"{inputs.source.title}-130K",
        "set": "130k",
        "command": command_line("build-130k", asked_for, defaults),
        "config": identity,
        "captions": {
            "source": inputs.source.name,
            "captioner": inputs.source.captioner,
            "usable": len(inputs.source),
            "dropped": sorted_counts(Counter(inputs.source.dropped)),
        },
        "seeds": {
            "generators": sorted({seed.generator for seed in seeds}),
            "counts": {kind: len(pool) for kind, pool in inputs.pools.seeds.items()},
        },
        "shot_pairs": len(inputs.pools.pairs),
        "generators": sorted_counts(Counter(row.generator for row in written.rows)),
        "counts": {
            "rows": len(written.rows),
            "rejects": len(written.rejects),
            **({"open_rows": written.num_open} if written.num_open else {}),
            "judged_replies": sum(each.attempts for each in (*written.rows, *written.rejects)),
            "distinct_prompts": len({row.prompt for row in written.rows}),
            "distinct_answers": len({row.answer for row in written.rows}),
        },
        "rejects_by_reason": sorted_counts(tally.rejected),
        "tokens": {
            "prompt": usage.prompt_tokens,
            "cached": usage.cached_tokens,
            "completion": usage.completion_tokens,
        },
        "usd": None if usage.num_unpriced else usage.usd,
        "versions": versions(),
        "files": files,
    }
