"""Publishing: rows to shards, each written whole or not at all, then the manifest."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from vargpt_schema import (
    IMAGE_GEN,
    INSTRUCT,
    REJECTS,
    InstructRecord,
    Message,
    RejectRecord,
    sample_id_of,
)

from vargpt_datagen.caption_source import CaptionSource
from vargpt_datagen.folder import BuildFolder
from vargpt_datagen.plan import Plan
from vargpt_datagen.request import RequestWriter
from vargpt_datagen.writing import Accepted, Rejected, Written

ROWS_PER_SHARD = 50_000


def publish(
    folder: BuildFolder,
    written: Written,
    *,
    plan: Plan,
    requests: RequestWriter,
    rows_per_shard: int = ROWS_PER_SHARD,
) -> list[dict[str, object]]:
    """Write the shards and rejects of a build; returns what the manifest says of each file.

    The old manifest goes first: a folder is published or it is not, never half of each.
    """
    for page in (folder.manifest, folder.card, folder.report):
        page.unlink(missing_ok=True)
    folder.sweep()
    files: list[Path] = []
    shards = _slices(len(written.rows), rows_per_shard)
    for number, (start, stop) in enumerate(shards):
        path = folder.data / f"train-{number:05d}-of-{len(shards):05d}.parquet"
        INSTRUCT.write([_record(row, plan, requests) for row in written.rows[start:stop]], path)
        files.append(path)
    if written.rejects:
        path = folder.rejects / "rejects-00000-of-00001.parquet"
        REJECTS.write(_reject_records(written.rejects, plan, requests.source), path)
        files.append(path)
    for old in {*folder.data.glob("*.parquet"), *folder.rejects.glob("*.parquet")} - {*files}:
        old.unlink()
    return [describe(path, folder.root) for path in files]


def describe(path: Path, root: Path) -> dict[str, object]:
    """Path below the root, size and sha256 of a published file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "path": path.relative_to(root).as_posix(),
        "size_bytes": path.stat().st_size,
        "sha256": digest,
    }


def _record(row: Accepted, plan: Plan, requests: RequestWriter) -> InstructRecord:
    planned = plan.row(row.position)
    source = requests.source
    image = source.image(planned.source_index)
    messages = (Message("user", row.prompt), Message("assistant", row.answer + IMAGE_GEN))
    prompt_seed, caption_seed, answer_seed = requests.seed_ids(planned)
    return InstructRecord(
        sample_id=sample_id_of(source.name, image.image_id, (image.image,), messages),
        messages=messages,
        images=(image.image,),
        task="generation",
        caption=image.caption,
        image_id=image.image_id,
        label=image.label,
        wnid=image.wnid,
        source=source.name,
        method="llm",
        prompt_seed_id=prompt_seed,
        caption_seed_id=caption_seed,
        answer_seed_id=answer_seed,
        prompt_template_id=None,
        answer_template_id=None,
        shot_ids=requests.shot_ids(planned),
        generator=row.generator,
        request_sha256=row.request_sha256,
        attempts=row.attempts,
    )


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
