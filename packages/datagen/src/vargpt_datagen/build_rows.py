"""Rows of a published build, picked by chance, by number or by id."""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_datagen.pools import SHIPPED_GENERATOR, shipped_seeds
from vargpt_schema import EVAL_PROMPTS, IMAGE_GEN, INSTRUCT, SEED_KINDS, Message, Table, UserError
from vargpt_schema.compute import pc


class BuildRow(NamedTuple):
    """What a person wants to see of one row."""

    number: int  # 0-based, in file order
    sample_id: str
    turns: tuple[Message, ...]  # as stored
    image: str | None  # the first image's path below the image root
    caption: str | None
    image_id: str | None
    source: str
    method: str
    seed_ids: Mapping[str, str]  # by kind; only those the row has
    template_ids: Mapping[str, str]  # by side, "prompt" and "answer"; only those the row has
    shot_ids: tuple[str, ...]
    generator: str | None
    attempts: int | None

    @property
    def prompt(self) -> str:
        return self.turns[0].content

    @property
    def answer(self) -> str:
        """The last turn without the placeholder of its picture; blank for a prompt alone."""
        if len(self.turns) < 2:
            return ""
        return self.turns[-1].content.removesuffix(IMAGE_GEN).rstrip()


def seeded_numbers(num_rows: int, count: int, seed: int) -> list[int]:
    """`count` row numbers in ascending order, or all of them; the same for the same seed."""
    return sorted(random.Random(seed).sample(range(num_rows), min(count, num_rows)))


def table_of(folder: Path) -> Table[Any]:
    """The table that a build's rows are of: conversations, or prompts for an evaluation."""
    first = INSTRUCT.files(folder)[0]
    try:
        metadata = pq.read_schema(first).metadata or {}
    except (pa.ArrowInvalid, OSError):
        return INSTRUCT  # whose reader says what is wrong with the file
    return EVAL_PROMPTS if metadata.get(b"table") == EVAL_PROMPTS.name.encode() else INSTRUCT


def num_rows_of(folder: Path) -> int:
    """Rows of a build, from the footers of its shards; UserError for a damaged one."""
    table = table_of(folder)
    return sum(_num_rows(file, table) for file in table.files(folder))


def rows_at(folder: Path, numbers: Sequence[int]) -> list[BuildRow]:
    """The rows with these ascending numbers; reads the shards that hold them, one at a time."""
    found: list[BuildRow] = []
    first = 0
    held = table_of(folder)
    for file in held.files(folder):
        size = _num_rows(file, held)
        wanted = [number - first for number in numbers if first <= number < first + size]
        if wanted:
            table = held.read(file).take(pa.array(wanted, pa.int64()))
            rows = zip(wanted, table.to_pylist(), strict=True)
            read = _build_row if held is INSTRUCT else _prompt_row
            found += [read(first + place, row) for place, row in rows]
        first += size
    return found


def rows_with_ids(folder: Path, sample_ids: Sequence[str]) -> list[BuildRow]:
    """The rows with these ids, in file order; ids that the build lacks are left out."""
    wanted = pa.array(sample_ids, pa.string())
    numbers: list[int] = []
    first = 0
    held = table_of(folder)
    id_column = "sample_id" if held is INSTRUCT else "prompt_id"
    for file in held.files(folder):
        ids = held.read(file, [id_column]).column(id_column)
        matches = pc.indices_nonzero(pc.is_in(ids, value_set=wanted)).to_pylist()
        numbers += [first + place for place in matches]
        first += len(ids)
    return rows_at(folder, numbers)


def seed_texts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Texts of the shipped seeds by id; empty for a build whose seeds were others."""
    if manifest.get("seeds", {}).get("generators") != [SHIPPED_GENERATOR]:
        return {}
    return {seed.seed_id: seed.text for pool in shipped_seeds().values() for seed in pool}


def _num_rows(file: Path, table: Table[Any]) -> int:
    table.file_metadata(file)  # refuses what is not this table
    try:
        return pq.read_metadata(file).num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{file}: damaged Parquet file. Build it again.") from error


def _build_row(number: int, row: dict[str, Any]) -> BuildRow:
    return BuildRow(
        number=number,
        sample_id=row["sample_id"],
        turns=tuple(Message(**turn) for turn in row["messages"]),
        image=row["images"][0] if row["images"] else None,
        caption=row["caption"],
        image_id=row["image_id"],
        source=row["source"],
        method=row["method"],
        seed_ids=dict(_filled(row, SEED_KINDS, "seed_id")),
        template_ids=dict(_filled(row, ("prompt", "answer"), "template_id")),
        shot_ids=tuple(row["shot_ids"]),
        generator=row["generator"],
        attempts=row["attempts"],
    )


def _prompt_row(number: int, row: dict[str, Any]) -> BuildRow:
    """A row of `eval_prompts`: no answer, and no path of the picture that its caption is of."""
    return BuildRow(
        number=number,
        sample_id=row["prompt_id"],
        turns=(Message("user", row["prompt"]),),
        image=None,
        caption=row["caption"],
        image_id=row["image_id"],
        source=row["source"],
        method="template" if row["prompt_template_id"] else "llm",
        seed_ids={},
        template_ids=dict(_filled(row, ("prompt",), "template_id")),
        shot_ids=(),
        generator=None,
        attempts=None,
    )


def _filled(row: dict[str, Any], parts: Sequence[str], suffix: str) -> Iterator[tuple[str, str]]:
    for part in parts:
        value = row[f"{part}_{suffix}"]
        if value is not None:
            yield part, value
