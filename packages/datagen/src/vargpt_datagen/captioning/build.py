"""`datagen caption`: a folder of images to a `captions` table, by BLIP-2.

    OUT/data/train-00000-of-00313.parquet   rows, in shards that do not depend on who makes them
    OUT/skipped.jsonl                       images without a row, with the reason
    OUT/README.md, OUT/manifest.json        once all shards are there

Paper, Section 4.2: captions of ImageNet by BLIP-2 are what -130K and -1270K are made from.
"""

import dataclasses
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from vargpt_datagen.captioning.checkpoint import DEFAULT_MODEL, Checkpoint, open_checkpoint
from vargpt_datagen.captioning.images import list_images
from vargpt_datagen.captioning.local_engine import caption_locally
from vargpt_datagen.captioning.parts import Part, part_of
from vargpt_datagen.captioning.presets import PRESETS, PresetName
from vargpt_datagen.captioning.publishing import SET, publish_captions, shard_counts
from vargpt_datagen.captioning.shards import Job, Shard, ShardCaptions, write_shard
from vargpt_datagen.captioning.verifying import caption_folder_faults
from vargpt_datagen.engines import Engine, expect_engine
from vargpt_datagen.folder import BuildFolder, disk_faults_are_said
from vargpt_datagen.manifest import command_line, read_manifest
from vargpt_datagen.progress import progress
from vargpt_schema import UserError

ROWS_PER_SHARD = 4_096  # a killed process loses one at most: 40 s at 100 images a second
Dtype = Literal["float16", "bfloat16", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionConfig:
    """Options of `datagen caption`."""

    images: Path  # folder, where image paths start
    out: Path
    model: str = DEFAULT_MODEL  # folder, or repository on the hub
    revision: str | None = None  # of a repository; None: the newest
    preset: PresetName = "vl-enriched"
    prompt: str = ""  # what captions go on from; not part of them
    dtype: Dtype | None = (
        None  # None: the preset's; bfloat16 for T5, which float16 is too small for
    )
    batch_size: int | None = None  # images at once; None: 256 on a GPU, 8 on a processor
    rows_per_shard: int = ROWS_PER_SHARD
    decoders: int | None = None  # processes that decode; None: a processor each but one
    part: str | None = None  # I/N: every N-th shard from the I-th on; None: as torchrun says
    engine: Engine = "local"
    workers: int | None = None  # actors of Ray; None: one a GPU, or one
    work_dir: Path | None = None  # locks; None: OUT/.work


class Captioned(NamedTuple):
    """What lies in the folder when a call ends."""

    out: Path
    num_rows: int  # of this process's part, while others are at work
    num_skipped: int
    num_shards_left: int  # of other parts
    was_finished: bool = False  # nothing was left to do


# Yields every shard once, in any order, and tells of images as they are done.
RunShards = Callable[[Job, Sequence[Shard], Callable[[int], None]], Iterator[ShardCaptions]]


def caption(config: CaptionConfig) -> Captioned:
    """Caption all images of a folder, or go on with that; a finished folder is left as it is.

    UserError on bad input.
    """
    _expect_possible(config)
    part = part_of(config.part)
    images = list_images(config.images).rows
    checkpoint = open_checkpoint(config.model, config.revision)
    job = _job(config, checkpoint, part)
    folder = BuildFolder(config.out, config.work_dir)
    print(f"captions in {folder.root} by {checkpoint.captioner}", file=sys.stderr)
    folder.make()
    shards = _shards(images, folder, config.rows_per_shard)
    identity = _identity(config, job, checkpoint, images)
    name = "lock" if part.total == 1 else f"lock-{part.number}-of-{part.total}"
    with disk_faults_are_said(folder.root), folder.locked(name):
        folder.expect_config(identity)
        if manifest := _published(folder, images.num_rows):
            return _captioned(folder, manifest, was_finished=True)
        ours = shards[part.number :: part.total]
        _write(config, job, ours, part)
        num_left = sum(not shard.path.exists() for shard in shards)
        if num_left:
            counts = shard_counts([shard.path for shard in ours])
            return Captioned(folder.root, counts.rows, counts.skipped.total(), num_left)
        with folder.locked_in_turn("publishing"):
            # Where two parts end at once, the second finds what the first has published.
            manifest = _published(folder, images.num_rows) or publish_captions(
                folder, [shard.path for shard in shards], identity, _command(config)
            )
    return _captioned(folder, manifest)


def _captioned(
    folder: BuildFolder, manifest: dict[str, Any], *, was_finished: bool = False
) -> Captioned:
    counts = manifest["counts"]
    return Captioned(folder.root, counts["rows"], counts["rejects"], 0, was_finished)


def _write(config: CaptionConfig, job: Job, ours: Sequence[Shard], part: Part) -> None:
    """Make the shards of this part that are not there yet."""
    _sweep(ours)
    missing = [shard for shard in ours if not shard.path.exists()]
    total = sum(shard.images.num_rows for shard in ours)
    done = total - sum(shard.images.num_rows for shard in missing)
    if not missing:
        return
    what = "captions" if part.total == 1 else f"captions {part.number}/{part.total}"
    with progress(what) as show:
        show(done, total)

        def on_images(count: int) -> None:
            nonlocal done
            done += count
            show(done, total)

        for captions in _engine(config)(job, missing, on_images):
            write_shard(captions)


def _engine(config: CaptionConfig) -> RunShards:
    if config.engine == "local":
        return caption_locally
    from vargpt_datagen.captioning.ray_engine import captioning_on_ray

    return captioning_on_ray(config.workers)


def _sweep(shards: Sequence[Shard]) -> None:
    """Remove what a killed process left half written of these; of others it may be at work."""
    names = {shard.path.name for shard in shards}
    for stale in shards[0].path.parent.glob(".*.tmp-*") if shards else ():
        if stale.name[1:].rpartition(".tmp-")[0] in names:
            stale.unlink(missing_ok=True)


def _expect_possible(config: CaptionConfig) -> None:
    """UserError for options that cannot be, and for packages that are missing."""
    counts = {
        "--batch-size": config.batch_size,
        "--rows-per-shard": config.rows_per_shard,
        "--decoders": config.decoders,
    }
    for option, count in counts.items():
        if count is not None and count < 1:
            raise UserError(f"{option} {count}: at least 1 was expected. Raise it.")
    expect_engine(config.engine, config.workers)
    if config.engine == "ray" and config.part is not None:
        raise UserError(
            "--part: Ray shares out the shards by itself. Leave --part or --engine ray out."
        )
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise UserError(
                f"datagen caption: the package {package} is missing, which loads the model. "
                "Install it with `uv sync --all-packages --all-extras`."
            )


def _job(config: CaptionConfig, checkpoint: Checkpoint, part: Part) -> Job:
    preset = PRESETS[config.preset]
    return Job(
        root=config.images.resolve(),
        checkpoint=checkpoint.folder.resolve(),
        captioner=checkpoint.captioner,
        preset=preset,
        prompt=config.prompt,
        dtype=config.dtype or ("bfloat16" if checkpoint.is_t5 else preset.dtype),
        batch_size=config.batch_size,
        num_decoders=config.decoders,
        local_rank=part.local_rank,
    )


def _shards(images: pa.Table, folder: BuildFolder, rows_per_shard: int) -> list[Shard]:
    """Of each split so many files, named as the builds name theirs."""
    shards: list[Shard] = []
    splits = images.column("split").to_pylist()
    for split in sorted(set(splits)):
        first, count = splits.index(split), splits.count(split)
        starts = range(0, count, rows_per_shard)
        shards += [
            Shard(
                folder.data / f"{split}-{number:05d}-of-{len(starts):05d}.parquet",
                images.slice(first + start, min(rows_per_shard, count - start)),
            )
            for number, start in enumerate(starts)
        ]
    return shards


def _identity(
    config: CaptionConfig, job: Job, checkpoint: Checkpoint, images: pa.Table
) -> dict[str, Any]:
    """What must not change between two runs on one folder.

    The number of images at once is free: another machine may need another one.
    """
    names = "\n".join(images.column("image").to_pylist())
    return {
        "set": SET,
        "rows": images.num_rows,
        "images_sha256": hashlib.sha256(names.encode()).hexdigest(),
        "model": checkpoint.name,
        "revision": checkpoint.revision,
        "preset": config.preset,
        "generation": json.dumps(dataclasses.asdict(job.preset), sort_keys=True),
        "prompt": config.prompt,
        "dtype": job.dtype,
        "rows_per_shard": config.rows_per_shard,
    }


def _command(config: CaptionConfig) -> str:
    """The command that makes this folder again, without its name and what bytes do not hang on."""
    said = ("model", "revision", "preset", "prompt", "dtype", "rows_per_shard")
    defaults = {each.name: each.default for each in dataclasses.fields(CaptionConfig)}
    options = {name: getattr(config, name) for name in said}
    return command_line("caption", options, defaults).replace("caption", "caption IMAGES", 1)


def _published(folder: BuildFolder, num_images: int) -> dict[str, Any] | None:
    """The manifest, when it is there and all that it tells of."""
    try:
        manifest = read_manifest(folder.root)
    except UserError:  # not published, or damaged: published anew from the shards
        return None
    counts = manifest["counts"]
    if counts["rows"] + counts["rejects"] != num_images:
        return None
    return None if caption_folder_faults(folder.root, manifest) else manifest
