"""`datagen show`: rows or rejects of a build as plain text for a terminal."""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from vargpt_datagen.build_rows import (
    BuildRow,
    num_rows_of,
    rows_at,
    rows_with_ids,
    seed_texts,
    seeded_numbers,
)
from vargpt_datagen.folder import BuildFolder
from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.pools import shipped_shot_pairs
from vargpt_datagen.printable import printable
from vargpt_schema import REJECTS, UserError
from vargpt_schema.compute import pc

WIDTH_COLUMNS = 100
_LABEL_COLUMNS = 14


def show_text(
    folder: Path,
    *,
    rows: int = 5,
    seed: int = 0,
    sample_id: str | None = None,
    rejects: bool = False,
    reason: str | None = None,
) -> str:
    """A seeded choice of rows, the row of `sample_id`, or rejects (`reason` asks for them too).

    UserError when there is no such build, row or reason. Control characters are written out.
    """
    manifest = read_manifest(folder)
    if rows < 1:
        raise UserError(f"--rows {rows}: at least 1 was expected. Give the rows to show.")
    if sample_id is not None and (rejects or reason is not None):
        raise UserError(
            "--id: a row's id found together with --rejects or --reason, one of them expected. "
            "Rejects have no id; leave one out."
        )
    if rejects or reason is not None:
        return _rejects_text(folder, rows, seed, reason)
    if sample_id is not None:
        chosen = rows_with_ids(folder, [sample_id])
        if not chosen:
            raise UserError(
                f"--id {printable(sample_id)}: no row of {folder} has it, 16 hex digits of its "
                "column sample_id were expected. `datagen show DIR` prints some."
            )
    else:
        chosen = rows_at(folder, seeded_numbers(num_rows_of(folder), rows, seed))
    texts = seed_texts(manifest)
    return "\n\n".join(_row_text(row, texts) for row in chosen)


def _row_text(row: BuildRow, texts: Mapping[str, str]) -> str:
    lines = [f"row {row.number:,}  {printable(row.sample_id)}"]
    lines += _field("image", row.image)
    lines += _field("caption", row.caption)
    for turn in row.turns:
        lines += _field(turn.role, turn.content)
    for kind, seed_id in row.seed_ids.items():
        lines += _field(f"{kind} seed", f"{seed_id}  {texts.get(seed_id, '')}".rstrip())
    for side, template_id in row.template_ids.items():
        lines += _field(f"{side} form", template_id)
    forms = {pair.pair_id: pair.prompt for pair in shipped_shot_pairs()}
    for shot_id in row.shot_ids:
        form = forms.get(shot_id.partition("@")[0], "")
        lines += _field("shot", f"{shot_id}  {form}".rstrip())
    by = row.generator or row.method
    replies = f", reply {row.attempts}" if row.attempts else ""
    lines += _field("written by", f"{by}{replies}")
    return "\n".join(lines)


def _rejects_text(folder: Path, rows: int, seed: int, reason: str | None) -> str:
    build = BuildFolder(folder)
    if not any(build.rejects.glob("*.parquet")):
        return "no rejects"
    table = REJECTS.read(build.rejects)
    if reason is not None:
        reasons = sorted(set(table.column("reason").to_pylist()))
        if reason not in reasons:
            raise UserError(
                f"--reason {printable(reason)}: {folder} has no reject of that reason, one of "
                f"{', '.join(map(printable, reasons))} was expected. Name one of these."
            )
        table = table.filter(pc.equal(table.column("reason"), reason))
    numbers = seeded_numbers(table.num_rows, rows, seed)
    shown = table.take(pa.array(numbers, pa.int64())).to_pylist()
    return "\n\n".join(_reject_text(reject) for reject in shown)


def _reject_text(reject: dict[str, Any]) -> str:
    lines = [f"reject  {printable(reject['image_id'])}"]
    lines += _field("reason", f"{reject['reason']}: {reject['detail']}")
    lines += _field("caption", reject["caption"])
    lines += _field("user", reject["prompt"])
    lines += _field("assistant", reject["answer"])
    lines += _field("raw reply", reject["text"] or "(blank)")
    lines += _field("written by", f"{reject['generator']}, reply {reject['attempts']}")
    return "\n".join(lines)


def _field(label: str, value: str | None) -> Iterator[str]:
    """Lines of one labelled value, wrapped and indented; none for a missing value."""
    if value is None:
        return
    indent = " " * (_LABEL_COLUMNS + 2)
    wrapped = textwrap.wrap(printable(value), WIDTH_COLUMNS - len(indent), break_on_hyphens=False)
    first, *rest = wrapped or [""]
    yield f"  {printable(label):<{_LABEL_COLUMNS}}{first}".rstrip()
    yield from (indent + line for line in rest)
