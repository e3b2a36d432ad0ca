"""Publishing: rows to shards, each written whole or not at all, then the manifest."""

import hashlib
import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa

from vargpt_datagen.caption_source import CaptionSource
from vargpt_datagen.folder import BuildFolder
from vargpt_datagen.journal import Journal
from vargpt_datagen.judging import Accepted, Rejected
from vargpt_datagen.plan import Plan
from vargpt_datagen.request import RequestWriter
from vargpt_datagen.writing import Written
from vargpt_schema import (
    IMAGE_GEN,
    INSTRUCT,
    REJECTS,
    REPLIES,
    Message,
    RejectRecord,
    messages_array,
    sample_id_of,
)

ROWS_PER_SHARD = 50_000
# Names that only a build gives; other files in its folders are not ours to remove.
_SHARD = "train-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].parquet"
_REJECTS = "rejects-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].parquet"
_REPLIES = "replies-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].parquet"
ROWS_IN_MEMORY = 5_000  # as Python objects, which take ten times the room of Arrow's columns


def publish(
    folder: BuildFolder,
    written: Written,
    *,
    plan: Plan,
    requests: RequestWriter,
    replies: Journal | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> list[dict[str, object]]:
    """Write shards, rejects and paid replies; returns what the manifest says of each file.

    The old manifest goes first: a folder is published or it is not, never half of each.
    """
    for page in (folder.manifest, folder.card, folder.report):
        page.unlink(missing_ok=True)
    files: list[Path] = []
    shards = _slices(len(written.rows), rows_per_shard)
    for number, (start, stop) in enumerate(shards):
        path = folder.data / f"train-{number:05d}-of-{len(shards):05d}.parquet"
        slices = [
            _columns(written.rows[start + first : min(start + last, stop)], plan, requests)
            for first, last in _slices(stop - start, ROWS_IN_MEMORY)
        ]
        INSTRUCT.write(pa.concat_tables(slices), path)
        files.append(path)
    if written.rejects:
        path = folder.rejects / "rejects-00000-of-00001.parquet"
        REJECTS.write(_reject_records(written.rejects, plan, requests.source), path)
        files.append(path)
    if replies:
        files += _write_replies(folder, replies, rows_per_shard)
    pa.default_memory_pool().release_unused()
    earlier = (*folder.data.glob(_SHARD), *folder.rejects.glob(_REJECTS))
    for old in {*earlier, *folder.replies.glob(_REPLIES)} - {*files}:
        old.unlink()
    return [describe(path, folder.root) for path in files]


def _write_replies(folder: BuildFolder, journal: Journal, rows_per_shard: int) -> list[Path]:
    """Every reply of the journal, also those that no row uses: they were paid for."""
    records = journal.records()
    num_files = max(math.ceil(journal.usage().num_replies / rows_per_shard), 1)
    files: list[Path] = []
    for number in range(num_files):
        path = folder.replies / f"replies-{number:05d}-of-{num_files:05d}.parquet"
        slices = [
            REPLIES.from_records(islice(records, min(ROWS_IN_MEMORY, rows_per_shard - first)))
            for first in range(0, rows_per_shard, ROWS_IN_MEMORY)
        ]
        REPLIES.write(pa.concat_tables(slices), path)
        files.append(path)
    return files


def describe(path: Path, root: Path) -> dict[str, object]:
    """Path below the root, size and sha256 of a published file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "path": path.relative_to(root).as_posix(),
        "size_bytes": path.stat().st_size,
        "sha256": digest,
    }


def _columns(rows: Sequence[Accepted], plan: Plan, requests: RequestWriter) -> pa.Table:
    """The rows as the `instruct` table, column by column: records would take twice the time."""
    source = requests.source
    planned = [plan.row(row.position) for row in rows]
    images = [source.image(row.source_index) for row in planned]
    messages = [
        (Message("user", row.prompt), Message("assistant", row.answer + IMAGE_GEN)) for row in rows
    ]
    prompt_seeds, caption_seeds, answer_seeds = zip(*map(requests.seed_ids, planned), strict=True)
    columns = {
        "sample_id": [
            sample_id_of(source.name, image.image_id, (image.image,), turns)
            for image, turns in zip(images, messages, strict=True)
        ],
        "messages": messages_array(messages),
        "images": [(image.image,) for image in images],
        "task": ["generation"] * len(rows),
        "caption": [image.caption for image in images],
        "image_id": [image.image_id for image in images],
        "label": [image.label for image in images],
        "wnid": [image.wnid for image in images],
        "source": [source.name] * len(rows),
        "method": ["llm"] * len(rows),
        "prompt_seed_id": prompt_seeds,
        "caption_seed_id": caption_seeds,
        "answer_seed_id": answer_seeds,
        "prompt_template_id": [None] * len(rows),
        "answer_template_id": [None] * len(rows),
        "shot_ids": [requests.shot_ids(row) for row in planned],
        "generator": [row.generator for row in rows],
        "request_sha256": [row.request_sha256 for row in rows],
        "attempts": [row.attempts for row in rows],
    }
    return pa.table(columns, schema=INSTRUCT.schema)


def _reject_records(
    rejects: Sequence[Rejected], plan: Plan, source: CaptionSource
) -> list[RejectRecord]:
    records: list[RejectRecord] = []
    for reject in rejects:
        index = plan.row(reject.position).source_index
        records.append(
            RejectRecord(
                image_id=source.image_id(index),
                caption=source.caption(index),
                request_sha256=reject.request_sha256,
                attempts=reject.attempts,
                reason=reject.reason,
                detail=reject.detail,
                prompt=reject.prompt,
                answer=reject.answer,
                text=reject.text,
                generator=reject.generator,
            )
        )
    return records


def _slices(size: int, step: int) -> list[tuple[int, int]]:
    return [(start, min(start + step, size)) for start in range(0, size, step)]
