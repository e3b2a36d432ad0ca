"""Seed pools: the paper's prompt_limit_, image_cap_limit_ and answer_limit_seeds.

Their content was never published; the shipped ones were written by hand for this toolkit.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from vargpt_schema import SEED_KINDS, SEEDS, UserError

SHIPPED_GENERATOR = "vargpt-toolkit"
MAX_TEXT_CHARACTERS = 300
# What a request gives a meaning of its own: tokens of models, and the line that names its caption.
_PART_OF_A_REQUEST = re.compile(
    r"<[^<>]{1,40}>|<\s*[|\uff5c]|[|\uff5c]\s*>|\[/?INST\]|image_gen|caption\s*:", re.IGNORECASE
)


class Seed(NamedTuple):
    """One directive that limits how a side of the pair is written."""

    seed_id: str
    kind: str  # a SeedKind of the schema
    text: str
    generator: str


@cache
def shipped_seeds() -> dict[str, tuple[Seed, ...]]:
    """The hand-written pools by kind, in the order of their ids. Shared: do not change it."""
    return {kind: _shipped_pool(kind) for kind in SEED_KINDS}


def read_seeds(folder: Path) -> dict[str, tuple[Seed, ...]]:
    """The pools of a `seeds` table by kind, in file order.

    UserError when it is no such table, a kind is unknown or missing, an id repeats, an id, text or
    generator is blank or not printable, or a text is not fit to stand in a request.
    """
    rows = (Seed(row.seed_id, row.kind, row.text, row.generator) for row in SEEDS.records(folder))
    return _pools_of(rows, folder)


def _shipped_pool(kind: str) -> tuple[Seed, ...]:
    text = (files("vargpt_datagen.pools") / f"{kind}_seeds.jsonl").read_text(encoding="utf-8")
    rows = map(json.loads, text.splitlines())
    return tuple(Seed(**row, generator=SHIPPED_GENERATOR) for row in rows)


def _pools_of(seeds: Iterable[Seed], folder: Path) -> dict[str, tuple[Seed, ...]]:
    pools: dict[str, list[Seed]] = {kind: [] for kind in SEED_KINDS}
    seen_ids: set[str] = set()
    for seed in seeds:
        fault = _fault_of(seed, seen_ids)
        if fault:
            raise UserError(f"{folder}: {fault}. Mend the table, or make one with `datagen seeds`.")
        seen_ids.add(seed.seed_id)
        pools[seed.kind].append(seed)
    missing = [kind for kind, pool in pools.items() if not pool]
    if missing:
        raise UserError(
            f"{folder}: no seed of kind {', '.join(missing)} found, at least one of each of "
            f"{', '.join(SEED_KINDS)} expected. Make the table with `datagen seeds`."
        )
    return {kind: tuple(pool) for kind, pool in pools.items()}


def _fault_of(seed: Seed, seen_ids: set[str]) -> str | None:
    if not seed.seed_id.strip():
        return f"a seed of kind {seed.kind!r} has a blank seed_id, a name expected"
    if seed.seed_id in seen_ids:
        return f"seed_id {seed.seed_id!r} found twice, each id once expected"
    if not seed.seed_id.isprintable():
        return f"seed_id {seed.seed_id!r} is not printable, a plain name expected"
    if seed.kind not in SEED_KINDS:
        return f"seed {seed.seed_id!r} is of kind {seed.kind!r}, {', '.join(SEED_KINDS)} expected"
    if not seed.text.strip():
        return f"seed {seed.seed_id!r} has a blank text, one sentence expected"
    if not seed.generator.strip():
        return f"seed {seed.seed_id!r} has a blank generator, the name of its writer expected"
    if not seed.generator.isprintable():
        return f"seed {seed.seed_id!r} has generator {seed.generator!r}, a printable name expected"
    fault = text_fault(seed.text)
    return f"the text of seed {seed.seed_id!r} {fault}" if fault else None


def text_fault(text: str) -> str | None:
    """Why a text cannot be a seed's, None if it can.

    It goes into a request that is paid for, beside captions: it must stay one plain line.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        return f"has {len(text)} characters, at most {MAX_TEXT_CHARACTERS} expected"
    if not text.isprintable():
        mark = next(mark for mark in text if not mark.isprintable())
        return f"holds {mark!r}, one printable line expected"
    if found := _PART_OF_A_REQUEST.search(text):
        return f"holds {found.group()!r}, plain words expected"
    return None
