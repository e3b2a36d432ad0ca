"""What `verify` expects of evaluation prompts: their texts made again, and no training image."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vargpt_datagen.checks import normalise
from vargpt_datagen.eval_rows import SPLIT, planned_prompts, prompt_ids
from vargpt_datagen.imagenet_classes import VALIDATION_STEM
from vargpt_datagen.template_rows import combined
from vargpt_datagen.verify_replies import reply_faults
from vargpt_datagen.verify_rows import reject_faults
from vargpt_datagen.wording_templates import WordingTemplate, as_written, shipped_templates
from vargpt_datagen.world_images import scenes_of
from vargpt_datagen.writer_config import OFFLINE
from vargpt_schema import EVAL_PROMPTS, INSTRUCT, REJECTS, REPLIES, Table
from vargpt_schema.compute import pc

_LISTED_FAULTS = 1_000  # more say nothing new
_TOKEN = re.compile("[<>]")


def eval_faults(folder: Path, manifest: Mapping[str, Any], anew: str) -> list[str]:
    """Faults of prompts, rejects, replies and counts, one line each.

    UserError for a file that cannot be read.
    """
    prompts = _read(EVAL_PROMPTS, folder / "data")
    rejects = _read(REJECTS, folder / "rejects")
    replies = _read(REPLIES, folder / "replies")
    try:
        marked = list(_marks(prompts, manifest))
        counts = list(_count_faults(prompts, rejects, manifest))
        is_asked = manifest["config"].get("writer") not in (None, OFFLINE)
    except (LookupError, TypeError) as error:
        return [f"manifest.json: damaged, no rules can be read from it ({error!r}). {anew}"]
    listed: list[str] = []
    is_bad = np.zeros(prompts.num_rows, bool)
    for rule, mask in marked:
        rows = np.flatnonzero(pc.fill_null(mask, True).to_numpy(zero_copy_only=False))
        is_bad[rows] = True
        listed += [f"row {row}: {rule}" for row in rows.tolist()]
    faults: list[str] = []
    if listed:
        faults.append(f"data: {is_bad.sum()} of {prompts.num_rows} rows have a fault. {anew}")
    faults += listed[:_LISTED_FAULTS]
    for name in ("prompt_id", "image_id"):
        distinct = pc.count_distinct(prompts.column(name)).as_py()
        if distinct != prompts.num_rows:
            faults.append(f"data: {prompts.num_rows - distinct} rows repeat a {name}. {anew}")
    faults += [f"reject {fault.row}: {fault.rule}. {anew}" for fault in reject_faults(rejects)]
    if is_asked:
        no_rows = INSTRUCT.from_records([])  # prompts do not say which request they came from
        found = reply_faults(manifest, replies, no_rows, rejects)
        faults += [f"{fault}. {anew}" for fault in found]
    return [*faults, *(f"manifest.json: {fault}. {anew}" for fault in counts)]


def _read(table: Table[Any], folder: Path) -> pa.Table:
    """The table of a folder as one chunk a column; without rows when it has no file."""
    if not any(folder.glob("*.parquet")):
        return table.from_records([])
    found = table.read(folder).combine_chunks()
    found.validate(full=True)
    return found


def _marks(rows: pa.Table, manifest: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every rule of a prompt, with the rows that break it."""
    config, source = manifest["config"], manifest["captions"]["source"]
    prompts, captions = combined(rows, "prompt"), combined(rows, "caption")
    image_ids, template_ids = combined(rows, "image_id"), combined(rows, "prompt_template_id")
    yield f"split {SPLIT} expected", pc.not_equal(combined(rows, "split"), SPLIT)
    yield f"source {source!r} expected", pc.not_equal(combined(rows, "source"), source)
    yield (
        "prompt_id does not belong to its text",
        pc.not_equal(combined(rows, "prompt_id"), prompt_ids(source, image_ids, prompts)),
    )
    held_out = tuple(WordingTemplate(*item) for item in manifest["templates"]["prompts"].items())
    is_made = pc.is_valid(template_ids)
    planned = planned_prompts(
        captions,
        range(rows.num_rows),
        held_out,
        seed=config["seed"],
        captions_sha256=config["captions_sha256"],
    )
    yield (
        "its template is not the one that the plan gives it",
        pc.and_(is_made, pc.fill_null(pc.not_equal(template_ids, planned.template_ids), False)),
    )
    yield (
        "its prompt is not its caption in its template",
        pc.and_(is_made, pc.not_equal(prompts, planned.prompts)),
    )
    if config["wording"] == "template":
        yield "no prompt_template_id", pc.invert(is_made)
    asked = [_is_unfit(prompt) for prompt in prompts.filter(pc.invert(is_made)).to_pylist()]
    mask = np.zeros(rows.num_rows, bool)
    mask[np.flatnonzero(~is_made.to_numpy(zero_copy_only=False))] = asked
    yield "its prompt is not in the normal form, or holds a token", pa.array(mask)
    if source == "imagenet":
        is_validation = pc.match_substring_regex(image_ids, VALIDATION_STEM)
        yield "image_id is no validation image of ImageNet", pc.invert(is_validation)
    if source == "world":
        yield from _world_marks(rows)


def _is_unfit(prompt: str) -> bool:
    return not prompt or prompt != normalise(prompt) or bool(_TOKEN.search(prompt))


def _world_marks(rows: pa.Table) -> Iterator[tuple[str, Any]]:
    is_foreign, scenes = scenes_of(combined(rows, "image_id"), SPLIT, captions=True)
    yield "image_id is no validation scene of the sample world", is_foreign
    for name in ("label", "caption"):
        is_other = pc.not_equal(combined(rows, name), combined(scenes, name))
        yield f"{name} is not its scene's", pc.if_else(is_foreign, False, is_other)


def _count_faults(
    prompts: pa.Table, rejects: pa.Table, manifest: Mapping[str, Any]
) -> Iterator[str]:
    """Templates that are not the held-out ones, and what the manifest counts, counted again."""
    shipped = shipped_templates()
    is_shipped = manifest["config"]["templates_sha256"] == shipped.sha256()
    if is_shipped and manifest["templates"]["prompts"] != as_written(shipped.held_out_prompts):
        yield "templates.prompts are not those of its configuration"
    by_class = pc.value_counts(prompts.column("label")).field("counts").to_pylist() or [0]
    by_reason = pc.value_counts(rejects.column("reason")).to_pylist()
    found: dict[str, tuple[Any, Any]] = {
        "counts.rows": (manifest["counts"]["rows"], prompts.num_rows),
        "config.rows": (manifest["config"]["rows"], prompts.num_rows),
        "counts.rejects": (manifest["counts"]["rejects"], rejects.num_rows),
        "rejects_by_reason": (
            manifest.get("rejects_by_reason", {}),
            {count["values"]: count["counts"] for count in by_reason},
        ),
        "classes": (
            manifest["classes"],
            {
                "number": len(by_class),
                "fewest_rows": min(by_class),
                "most_rows": max(by_class),
            },
        ),
    }
    if manifest["config"]["wording"] == "llm":
        made = prompts.num_rows - prompts.column("prompt_template_id").null_count
        found["counts.template_prompts"] = (manifest["counts"]["template_prompts"], made)
    for name, (told, value) in found.items():
        if told != value:
            yield f"{name} is {told}, the tables hold {value}"
