"""How often each seed, shot pair and template was used."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from vargpt_datagen.report.plots import Plot, use_plot
from vargpt_datagen.report.uniformity import Uniformity, uniformity
from vargpt_schema import SEED_KINDS
from vargpt_schema.compute import pc

_TITLES = {"prompt": "Request seeds", "caption": "Scene seeds", "answer": "Answer seeds"}
_TEMPLATES = {"prompt": "Request templates", "answer": "Answer templates"}


COLUMNS = [
    "prompt_seed_id",
    "caption_seed_id",
    "answer_seed_id",
    "shot_ids",
    "prompt_template_id",
    "answer_template_id",
]  # what `uses` looks at; prompts of an evaluation have the one of their template alone


class Use(NamedTuple):
    """Use of one pool."""

    plot: Plot
    used: int  # members seen at least once
    size: int  # of the pool
    fewest: int
    most: int
    even: Uniformity | None
    fixed_sets: bool  # the pool was not drawn from anew for every row


def uses(table: pa.Table, manifest: Mapping[str, Any]) -> list[Use]:
    """Every pool that the rows name members of."""
    found: list[Use] = []
    sizes = manifest.get("seeds", {}).get("counts", {})
    for kind in SEED_KINDS:
        counts = _counts_in(table, f"{kind}_seed_id")
        if counts:
            found.append(_use(_TITLES[kind], counts, sizes.get(kind), _filled(counts)))
    if "shot_ids" in table.column_names:
        found += _shot_uses(table.column("shot_ids"), manifest)
    templates = manifest.get("templates", {})
    for side, title in _TEMPLATES.items():
        counts = _counts_in(table, f"{side}_template_id")
        size = len(templates.get(f"{side}s", {})) or len(counts)
        if counts and manifest["set"] != "class":  # where one template serves all rows
            texts = templates.get(f"{side}s", {})
            named = {
                f"{name} {texts.get(name, '')}".rstrip(): rows for name, rows in counts.items()
            }
            found.append(_use(title, named, size, _filled(counts)))
    return found


def _counts_in(table: pa.Table, name: str) -> dict[str, int]:
    return _counts(table.column(name)) if name in table.column_names else {}


def _shot_uses(column: pa.ChunkedArray, manifest: Mapping[str, Any]) -> list[Use]:
    """Pairs are drawn without replacement, a row's worth at a time."""
    lists = column.combine_chunks()
    ids = pc.list_flatten(lists)
    pairs = pc.struct_field(pc.extract_regex(ids, r"^(?P<pair>[^@]+)@"), "pair")
    counts = _counts(pairs)
    rows = pc.sum(pc.greater(pc.list_value_length(lists), 0)).as_py() or 0
    if not counts:
        return []
    draws = round(_filled(counts) / rows)
    fixed_sets = manifest.get("config", {}).get("shot_sets") is not None
    size = manifest.get("shot_pairs")
    return [_use("Shot pairs", counts, size, rows, draws=draws, fixed_sets=fixed_sets)]


def _use(
    title: str,
    counts: dict[str, int],
    size: int | None,
    rows: int,
    *,
    draws: int = 1,
    fixed_sets: bool = False,
) -> Use:
    unused = max((size or 0) - len(counts), 0)
    names = [*counts, *["never used"] * unused]
    numbers = [*counts.values(), *[0] * unused]
    even = None if fixed_sets else uniformity(numbers, rows, draws)
    return Use(
        plot=use_plot(title, numbers, names, even),
        used=len(counts),
        size=len(numbers),
        fewest=min(numbers),
        most=max(numbers),
        even=even,
        fixed_sets=fixed_sets,
    )


def _counts(column: Any) -> dict[str, int]:
    """Rows by value in the order of the values; nulls left out."""
    counted = pc.value_counts(pc.drop_null(column))
    pairs = zip(
        counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True
    )
    return dict(sorted(pairs))


def _filled(counts: Mapping[str, int]) -> int:
    return sum(counts.values())
