"""Publishing a folder of seeds: table, raw replies, card, manifest."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from vargpt_datagen.card import cell
from vargpt_datagen.folder import BuildFolder, write_text
from vargpt_datagen.manifest import FORMAT, sorted_counts, versions
from vargpt_datagen.publishing import describe
from vargpt_datagen.request import template_text
from vargpt_datagen.seeds.asking import Asked
from vargpt_schema import REPLIES, SEED_KINDS, SEEDS, SeedRecord

SET = "seeds"
NAME = "VARGPT-Seeds"


def publish_seeds(
    folder: BuildFolder,
    asked: Asked,
    *,
    num_of_kind: int,
    identity: dict[str, Any],
    command: str,
) -> dict[str, Any]:
    """Write the first seeds of each pool and all else; returns the manifest.

    The old manifest goes first: a folder is published or it is not, never half of each.
    """
    for page in (folder.manifest, folder.card):
        page.unlink(missing_ok=True)
    records = _records(asked, num_of_kind)
    table, replies = _table_path(folder), folder.replies / "replies-00000-of-00001.parquet"
    SEEDS.write(records, table)
    REPLIES.write(asked.journal.records(), replies)
    files = [describe(path, folder.root) for path in (table, replies)]
    manifest = _manifest(asked, records, identity, command, files)
    write_text(folder.card, seeds_card(manifest))
    write_text(folder.manifest, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    return manifest


def seeds_card(manifest: dict[str, Any]) -> str:
    """The card of a folder of seeds, from its manifest alone."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["cell"] = cell
    body = environment.from_string(template_text("seeds_card.jinja")).render(**manifest)
    front = {
        "language": ["en"],
        "pretty_name": manifest["name"],
        "language_creators": ["machine-generated"],
        "tags": ["synthetic", "vargpt"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/seeds-*.parquet"}],
            }
        ],
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{body}\n"


def counts_of(records: Sequence[SeedRecord]) -> dict[str, Any]:
    """Who wrote the seeds, and how many there are of each kind."""
    return {
        "generators": sorted({record.generator for record in records}),
        "counts": dict(Counter(record.kind for record in records)),
    }


def _table_path(folder: BuildFolder) -> Path:
    return folder.data / "seeds-00000-of-00001.parquet"


def _records(asked: Asked, num_of_kind: int) -> list[SeedRecord]:
    return [
        SeedRecord(
            seed_id=f"{kind}-{number:03d}",
            kind=kind,
            text=seed.text,
            generator=seed.generator,
        )
        for kind in SEED_KINDS
        for number, seed in enumerate(asked.pools[kind].seeds[:num_of_kind], 1)
    ]


def _manifest(
    asked: Asked,
    records: list[SeedRecord],
    identity: dict[str, Any],
    command: str,
    files: list[dict[str, object]],
) -> dict[str, Any]:
    pools, usage, _ = asked
    rejected = sum((pool.rejected for pool in pools.values()), Counter[str]())
    unusable = sum((pool.unusable for pool in pools.values()), Counter[str]())
    generators = Counter(record.generator for record in records)
    return {
        "format": FORMAT,
        "name": NAME,
        "set": SET,
        "command": command,
        "config": identity,
        "seeds": counts_of(records),
        "generators": sorted_counts(generators),
        "counts": {
            "rows": len(records),
            "rejects": rejected.total(),
            "calls": sum(len(pool.new_by_call) for pool in pools.values()),
            "judged_replies": usage.num_replies,
            "unusable_replies": unusable.total(),
        },
        "rejects_by_reason": sorted_counts(rejected),
        "unusable_by_reason": sorted_counts(unusable),
        "tokens": {
            "prompt": usage.prompt_tokens,
            "cached": usage.cached_tokens,
            "completion": usage.completion_tokens,
        },
        "usd": None if usage.num_unpriced else usage.usd,
        "versions": versions(),
        "files": files,
    }
