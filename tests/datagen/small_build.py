"""Published folders of a few rows, written with the tables' own writers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vargpt_datagen.publishing import describe
from vargpt_schema import (
    IMAGE_GEN,
    INSTRUCT,
    REJECTS,
    InstructRecord,
    Message,
    RejectRecord,
    sample_id_of,
)

HOSTILE = "<script>alert(\"x\")</script> & 'q' {{ 7*7 }} {% raw %} \x1b[2J \u202e"


def row(number: int, **values: Any) -> InstructRecord:
    """One row of the sample world; `prompt`, `answer` and columns may be given."""
    caption = values.get("caption", f"a small red circle number {number}")
    prompt = values.pop("prompt", f"Please draw {caption}.")
    answer = values.pop("answer", f"Here is {caption}.")
    messages = (Message("user", prompt), Message("assistant", f"{answer}{IMAGE_GEN}"))
    image_id = f"world-{number:08d}"
    columns: dict[str, Any] = {
        "images": (f"world/{number:08d}.png",),
        "task": "generation",
        "caption": caption,
        "image_id": image_id,
        "label": None,
        "wnid": None,
        "source": "world",
        "method": "llm",
        "prompt_seed_id": "prompt-001",
        "caption_seed_id": "caption-002",
        "answer_seed_id": f"answer-{number % 3 + 1:03d}",
        "prompt_template_id": None,
        "answer_template_id": None,
        "shot_ids": tuple(f"pair-{shot:03d}@world-{shot:08d}" for shot in range(1, 5)),
        "generator": "offline-writer-1",
        "request_sha256": "0" * 64,
        "attempts": 1,
    }
    columns |= values
    sample_id = sample_id_of(columns["source"], image_id, columns["images"], messages)
    return InstructRecord(sample_id=sample_id, messages=messages, **columns)


def reject(reason: str, **values: Any) -> RejectRecord:
    """One reject; columns may be given."""
    columns: dict[str, Any] = {
        "image_id": "world-00000007",
        "caption": "a small red circle",
        "request_sha256": "0" * 64,
        "attempts": 1,
        "reason": reason,
        "detail": "the words at fault",
        "prompt": "A prompt.",
        "answer": "An answer.",
        "text": '{"prompt": "A prompt.", "answer": "An answer."}',
        "generator": "offline-writer-1",
    }
    return RejectRecord(**columns | values)


def write_build(
    folder: Path,
    rows: Sequence[InstructRecord],
    rejects: Sequence[RejectRecord] = (),
    *,
    shards: int = 1,
    manifest: Mapping[str, Any] | None = None,
) -> Path:
    """A published folder; `manifest` overrides top-level entries. Returns the folder."""
    size = -(-len(rows) // shards)
    files: list[Path] = []
    for shard in range(shards):
        path = folder / "data" / f"train-{shard:05d}-of-{shards:05d}.parquet"
        INSTRUCT.write(rows[shard * size : (shard + 1) * size], path)
        files.append(path)
    if rejects:
        path = folder / "rejects" / "rejects-00000-of-00001.parquet"
        REJECTS.write(rejects, path)
        files.append(path)
    found = {
        "format": 1,
        "name": "Sample-World-Instruct-130K",
        "set": "130k",
        "command": "datagen build-130k --rows 8",
        "config": {"set": "130k", "rows": 8, "seed": 0, "writer": "offline", "shot_sets": None},
        "captions": {
            "source": "world",
            "captioner": "vargpt-sample-world",
            "usable": 1_281_167,
            "dropped": {},
        },
        "seeds": {
            "generators": ["vargpt-toolkit"],
            "counts": {"prompt": 120, "caption": 120, "answer": 120},
        },
        "shot_pairs": 133,
        "generators": {"offline-writer-1": len(rows)},
        "counts": {"rows": len(rows), "rejects": len(rejects), "judged_replies": len(rows)},
        "rejects_by_reason": {},
        "tokens": {"prompt": 0, "cached": 0, "completion": 0},
        "usd": 0.0,
        "versions": {"python": "3.11.7"},
        "files": [describe(path, folder) for path in files],
    }
    text = json.dumps(found | dict(manifest or {}), indent=2)
    (folder / "manifest.json").write_text(text, "utf-8")
    return folder
