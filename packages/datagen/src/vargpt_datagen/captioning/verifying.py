"""What a published folder of captions promises, checked against its files."""

from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from vargpt_datagen.captioning.publishing import (
    SET,
    SKIPPED_FILE,
    captioning_part,
    captions_card,
    shard_counts,
    skipped_text,
)
from vargpt_datagen.folder import CARD
from vargpt_datagen.manifest import sorted_counts
from vargpt_datagen.verify_files import file_faults, foreign_faults
from vargpt_schema import UserError

AGAIN = "Remove it and run the command that made it again."


def caption_folder_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Faults of a folder of captions, one line each."""
    if manifest["set"] != SET:
        return [f"manifest.json: set {manifest['set']!r} found, {SET!r} expected. {AGAIN}"]
    faults = foreign_faults(folder, manifest) + file_faults(folder, manifest, AGAIN)
    faults = faults or _content_faults(folder, manifest)
    try:
        card = captions_card(manifest).encode()
    except (LookupError, TypeError, ValueError, UndefinedError) as error:
        return [*faults, f"manifest.json: no card can be made from it ({error}). {AGAIN}"]
    if not (folder / CARD).is_file() or (folder / CARD).read_bytes() != card:
        faults.append(f"{CARD}: not the card of this manifest. {AGAIN}")
    return faults


def _content_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    shards = [folder / told["path"] for told in manifest["files"]]
    try:
        counts, skipped = shard_counts(shards), skipped_text(shards)
    except (UserError, ValueError, TypeError) as error:
        return [str(error)]
    found = {
        "counts.rows": (manifest["counts"]["rows"], counts.rows),
        "counts.rejects": (manifest["counts"]["rejects"], counts.skipped.total()),
        "config.rows": (manifest["config"].get("rows"), counts.rows + counts.skipped.total()),
        "rejects_by_reason": (manifest.get("rejects_by_reason"), sorted_counts(counts.skipped)),
        "captioning": (manifest.get("captioning"), captioning_part(counts)),
    }
    faults = [
        f"manifest.json: {name} is {told}, the tables hold {value}. {AGAIN}"
        for name, (told, value) in found.items()
        if told != value
    ]
    path = folder / SKIPPED_FILE
    if not path.is_file() or path.read_text("utf-8") != skipped:
        faults.append(f"{SKIPPED_FILE}: not what the shards say. {AGAIN}")
    return faults
