"""The unit of captioning: a shard of images to rows of the `captions` table.

A shard depends on its images, the model and the settings alone, whoever makes it, so engines and
killed runs end in the same bytes.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from vargpt_datagen.caption_text import caption_faults, clean_captions
from vargpt_datagen.captioning.decoding import Decoded, Decoders
from vargpt_datagen.captioning.presets import Preset
from vargpt_schema import CAPTIONS

SKIPPED = "skipped"  # key of the metadata of a shard's file
AT_LIMIT = "token_limit"  # the flag of a caption that was stopped by the limit of tokens
_EMPTY = "empty_caption"


class Written(Protocol):
    """What a model wrote of one image."""

    @property
    def text(self) -> str: ...
    @property
    def is_at_limit(self) -> bool: ...


class Model(Protocol):
    """Anything that captions (B, H, W, 3) uint8."""

    def captions(self, pixels: np.ndarray) -> Sequence[Written]: ...


class Job(NamedTuple):
    """What it takes to caption shards, wherever that is done."""

    root: Path  # where image paths start
    checkpoint: Path
    captioner: str  # as rows name it
    preset: Preset
    prompt: str
    dtype: str
    batch_size: int | None  # None: as the device likes it
    num_decoders: int | None
    local_rank: int  # chooses the GPU


class Shard(NamedTuple):
    """Images that become one file."""

    path: Path
    images: pa.Table  # as `list_images` gives them


class Skipped(NamedTuple):
    """An image without a row."""

    image: str
    reason: str
    caption_raw: str  # "" where it could not be decoded


class ShardCaptions(NamedTuple):
    """A finished shard."""

    shard: Shard
    rows: pa.Table
    skipped: tuple[Skipped, ...]


class _Captioned(NamedTuple):
    decoded: Decoded
    written: Written | None  # None: not decoded


def captioned_shards(
    shards: Iterable[Shard],
    model: Model,
    decoders: Decoders,
    *,
    captioner: str,
    batch_size: int,
    on_images: Callable[[int], None],
) -> Iterator[ShardCaptions]:
    """Each shard in turn; `on_images` hears of every batch that is done.

    Files are decoded ahead, over the borders of shards; a batch never crosses one.
    """
    batches = [
        (shard, start) for shard in shards for start in range(0, shard.images.num_rows, batch_size)
    ]
    names = (_names(shard, start, batch_size) for shard, start in batches)
    seen: list[_Captioned] = []
    for (shard, _), decoded in zip(batches, decoders.batches(names), strict=True):
        seen += _captioned(decoded, model)
        on_images(len(decoded))
        if len(seen) == shard.images.num_rows:
            yield _finished(shard, seen, captioner)
            seen = []


def write_shard(captions: ShardCaptions) -> None:
    """Write a shard's file, whole or not at all, with what was skipped beside its rows."""
    CAPTIONS.write(
        captions.rows,
        captions.shard.path,
        file_metadata={SKIPPED: json.dumps([list(each) for each in captions.skipped])},
        without_dictionary=("image_id", "image", "caption_raw", "caption"),
    )


def read_skipped(file: Path) -> list[Skipped]:
    """What was skipped in the shard of a file; ValueError for what no build writes there."""
    found: Any = json.loads(CAPTIONS.file_metadata(file).get(SKIPPED, "[]"))
    return [Skipped(*map(str, each)) for each in found]


def _names(shard: Shard, start: int, batch_size: int) -> list[str]:
    return shard.images.column("image").slice(start, batch_size).to_pylist()


def _captioned(decoded: Sequence[Decoded], model: Model) -> list[_Captioned]:
    pixels = [each.pixels for each in decoded if each.pixels is not None]
    written = iter(model.captions(np.stack(pixels)) if pixels else ())
    return [_Captioned(each, None if each.pixels is None else next(written)) for each in decoded]


def _finished(shard: Shard, seen: Sequence[_Captioned], captioner: str) -> ShardCaptions:
    raw = pa.array([each.written.text if each.written else "" for each in seen], pa.string())
    clean = clean_captions(pa.chunked_array([raw]))
    faults = caption_faults(clean).to_pylist()
    reasons = [
        each.decoded.fault or (_EMPTY if fault == "empty" else "")
        for each, fault in zip(seen, faults, strict=True)
    ]
    kept = [number for number, reason in enumerate(reasons) if not reason]
    flags = [
        [
            *seen[number].decoded.oddities,
            *([AT_LIMIT] if (written := seen[number].written) and written.is_at_limit else []),
            *([faults[number]] if faults[number] else []),
        ]
        for number in kept
    ]
    columns: dict[str, Any] = {
        **{name: shard.images.column(name) for name in shard.images.column_names},
        "caption_raw": raw,
        "caption": clean,
        "captioner": pa.array([captioner] * len(seen)),
    }
    indices = pa.array(kept, pa.int64())
    taken = {name: column.take(indices) for name, column in columns.items()}
    rows = pa.table({**taken, "quality_flags": flags}, schema=CAPTIONS.schema)
    names = shard.images.column("image").to_pylist()
    skipped = tuple(
        Skipped(names[number], reason, raw[number].as_py())
        for number, reason in enumerate(reasons)
        if reason
    )
    return ShardCaptions(shard, rows, skipped)
