"""What a published folder of seeds promises, checked against its files."""

from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from vargpt_datagen.folder import CARD
from vargpt_datagen.pools import read_seeds
from vargpt_datagen.seeds.publishing import SET, counts_of, seeds_card
from vargpt_datagen.verify_files import file_faults
from vargpt_datagen.verify_replies import reply_faults
from vargpt_schema import INSTRUCT, REJECTS, REPLIES, SEEDS, UserError

AGAIN = "Run the command that made it again."


def seed_folder_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Faults of a folder of seeds, one line each, all of which making it again would mend."""
    if manifest["set"] != SET:
        return [f"manifest.json: set {manifest['set']!r} found, {SET!r} expected. {AGAIN}"]
    faults = file_faults(folder, manifest, AGAIN) or _content_faults(folder, manifest)
    try:
        card = seeds_card(manifest).encode()
    except (LookupError, TypeError, ValueError, UndefinedError) as error:
        return [*faults, f"manifest.json: no card can be made from it ({error}). {AGAIN}"]
    if not (folder / CARD).is_file() or (folder / CARD).read_bytes() != card:
        faults.append(f"{CARD}: not the card of this manifest. {AGAIN}")
    return faults


def _content_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    try:
        read_seeds(folder)
        records = list(SEEDS.records(folder))
        replies = REPLIES.read(folder / "replies")
    except UserError as error:
        return [str(error)]
    found = {
        "counts.rows": (manifest["counts"]["rows"], len(records)),
        "seeds": (manifest.get("seeds"), counts_of(records)),
    }
    faults = [
        f"manifest.json: {name} is {told}, the table holds {value}. {AGAIN}"
        for name, (told, value) in found.items()
        if told != value
    ]
    no_rows, no_rejects = INSTRUCT.from_records([]), REJECTS.from_records([])
    faults += [
        f"{fault}. {AGAIN}" for fault in reply_faults(manifest, replies, no_rows, no_rejects)
    ]
    return faults
