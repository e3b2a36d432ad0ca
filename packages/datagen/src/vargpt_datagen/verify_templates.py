"""What `verify` expects of rows made from templates: their texts and their plan, made again."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.class_wording import FORMS, class_phrase
from vargpt_datagen.imagenet_classes import TRAINING_STEM, class_names_of, labels_of
from vargpt_datagen.template_rows import (
    Chosen,
    Forms,
    chosen_templates,
    combined,
    forms_of,
    sample_ids,
    turns_in,
    turns_of,
)
from vargpt_datagen.wording_templates import (
    WordingTemplate,
    as_written,
    fault_of_template,
    shipped_templates,
)
from vargpt_datagen.world_images import scenes_of
from vargpt_schema import IMAGE_GEN, INSTRUCT, world
from vargpt_schema.compute import pc

_LISTED_FAULTS = 100  # of one rule in one shard; the rest are counted
_UNUSED = (
    "prompt_seed_id",
    "caption_seed_id",
    "answer_seed_id",
    "generator",
    "request_sha256",
    "attempts",
)

Marked = tuple[str, Any]  # a rule and the mask of the rows that break it


class TemplateRules(NamedTuple):
    """What a manifest promises of the rows."""

    forms: Forms
    method: str  # "class" or "template"
    source: str
    phrase: Callable[[str], str] | None  # of a class name; None: captions
    seed: int
    captions_sha256: str

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "TemplateRules":
        """LookupError or TypeError when the manifest lacks what belongs there."""
        config = manifest["config"]
        is_class = manifest["set"] == "class"
        return cls(
            forms=Forms(
                *(
                    tuple(WordingTemplate(*item) for item in manifest["templates"][side].items())
                    for side in ("prompts", "answers")
                )
            ),
            method="class" if is_class else "template",
            source=manifest["captions"]["source"],
            phrase=(lambda name: class_phrase(name, config["form"], config["name"]))
            if is_class
            else None,
            seed=config["seed"],
            captions_sha256=config["captions_sha256"],
        )


def template_faults(folder: Path, manifest: Mapping[str, Any], anew: str) -> list[str]:
    """Faults of a build's rows and counts, one line each; one shard is in memory at a time.

    UserError for a shard that cannot be read.
    """
    try:
        rules = TemplateRules.of(manifest)
        faults = [f"manifest.json: {fault}. {anew}" for fault in _manifest_faults(manifest, rules)]
    except (LookupError, TypeError) as error:
        return [f"manifest.json: damaged, no rules can be read from it ({error!r}). {anew}"]
    if not rules.forms.prompts or not rules.forms.answers:
        return faults
    ids: dict[str, list[pa.Array]] = {"sample_id": [], "image_id": []}
    first, listed, num_marked = 0, [], 0
    for file in INSTRUCT.files(folder):
        table = INSTRUCT.read(file).combine_chunks()
        table.validate(full=True)
        marks = [*_table_marks(table), *_marks(table, first, rules)]
        is_bad = np.zeros(table.num_rows, bool)
        for rule, mask in marks:
            rows = np.flatnonzero(pc.fill_null(mask, True).to_numpy(zero_copy_only=False))
            is_bad[rows] = True
            listed += [f"row {first + row}: {rule}" for row in rows[:_LISTED_FAULTS].tolist()]
            if len(rows) > _LISTED_FAULTS:
                listed.append(f"{file.name}: {len(rows) - _LISTED_FAULTS:,} more rows: {rule}")
        num_marked += int(is_bad.sum())
        for name, found in ids.items():
            found.append(combined(table, name))
        first += table.num_rows
    if listed:
        faults += [f"data: {num_marked} of {first} rows have a fault. {anew}", *listed]
    for name, found in ids.items():
        distinct = pc.count_distinct(pa.chunked_array(found)).as_py()
        if distinct != first:
            faults.append(f"data: {first - distinct} rows repeat a {name}. {anew}")
    if first != manifest["counts"]["rows"]:
        faults.append(
            f"manifest.json: counts.rows is {manifest['counts']['rows']}, the tables hold {first}. "
            f"{anew}"
        )
    return faults


def _manifest_faults(manifest: Mapping[str, Any], rules: TemplateRules) -> Iterator[str]:
    """Templates that are not those of the configuration, and counts that do not add up."""
    config, counts = manifest["config"], manifest["counts"]
    expected = _expected_forms(config) if config.get("set") == manifest["set"] else None
    for side, found in zip(("prompts", "answers"), rules.forms, strict=True):
        if not found:
            yield f"templates.{side} is empty, at least one was expected"
        wanted = getattr(expected, side) if expected else found
        if as_written(found) != as_written(wanted):
            yield f"templates.{side} are not those of its configuration"
        for template in found if not rules.phrase else ():
            text = template.text.removesuffix(IMAGE_GEN)
            fault = fault_of_template(template.template_id, text, is_answer=side == "answers")
            if fault:
                yield f"templates.{side}.{template.template_id}: {fault}"
    if not counts["rows"] == config["rows"] <= manifest["captions"]["usable"]:
        yield (
            f"counts.rows is {counts['rows']}, config.rows {config['rows']}, captions.usable "
            f"{manifest['captions']['usable']}; the first two equal and within the third expected"
        )
    if counts["rejects"]:
        yield f"counts.rejects is {counts['rejects']}, 0 expected: nothing is judged here"
    if manifest["set"] == "1270k":
        shared = manifest["overlap_130k"]
        at_least = max(counts["rows"] + shared["rows_130k"] - shared["images"], 0)
        if shared["at_least"] != at_least or shared["found"] not in (None, at_least):
            yield f"overlap_130k.at_least or found is not {at_least}, which the counts give"


def _expected_forms(config: Mapping[str, Any]) -> Forms | None:
    """The pools that a configuration stands for; None for templates of somebody's own file."""
    if config["set"] == "class":
        return FORMS[config["form"]]
    shipped = shipped_templates()
    templates = shipped.style_safe() if config["style_safe"] else shipped
    return forms_of(templates) if templates.sha256() == config["templates_sha256"] else None


def _table_marks(table: pa.Table) -> Iterator[Marked]:
    """The table's own rules."""
    faults = INSTRUCT.row_faults(table) if INSTRUCT.row_faults else []
    for rule in dict.fromkeys(fault.rule for fault in faults):
        mask = np.zeros(table.num_rows, bool)
        mask[[fault.row for fault in faults if fault.rule == rule]] = True
        yield rule, pa.array(mask)


def _marks(table: pa.Table, first: int, rules: TemplateRules) -> Iterator[Marked]:
    """Every rule of such rows, with the rows that break it."""
    turns = turns_in(table)
    if turns is None:
        lengths = pc.list_value_length(combined(table, "messages"))
        yield "a request and an answer expected", pc.not_equal(lengths, 2)
        return
    captions, image_ids = combined(table, "caption"), combined(table, "image_id")
    sources, images = combined(table, "source"), combined(table, "images")
    codes: list[np.ndarray] = []
    for side, pool in zip(("prompt", "answer"), rules.forms, strict=True):
        known = pa.array([template.template_id for template in pool])
        found = pc.index_in(combined(table, f"{side}_template_id"), value_set=known)
        yield f"{side}_template_id is none of the manifest's", pc.is_null(found)
        codes.append(pc.fill_null(found, 0).to_numpy())
    expected = turns_of(captions, Chosen(*codes), rules.forms)
    yield "its request is not its caption in its template", pc.not_equal(turns[0], expected[0])
    yield "its answer is not its caption in its template", pc.not_equal(turns[1], expected[1])
    if not rules.phrase:
        numbers = np.arange(first, first + table.num_rows)
        planned = chosen_templates(
            numbers, rules.forms, seed=rules.seed, captions=rules.captions_sha256
        )
        is_other = (codes[0] != planned.prompts) | (codes[1] != planned.answers)
        yield "its templates are not those that the plan gives it", pa.array(is_other)
    yield f"method {rules.method} expected", pc.not_equal(combined(table, "method"), rules.method)
    yield f"source {rules.source!r} expected", pc.not_equal(sources, rules.source)
    yield "one image expected", pc.not_equal(pc.list_value_length(images), 1)
    for name in _UNUSED:
        yield f"{name} found, none expected", pc.is_valid(combined(table, name))
    yield "shot_ids found, none expected", pc.greater(_lengths(table, "shot_ids"), 0)
    if len(images.flatten()) == table.num_rows:
        paths = images.flatten()
        ids = sample_ids(sources, image_ids, paths, turns)
        yield (
            "sample_id does not belong to its text",
            pc.not_equal(combined(table, "sample_id"), ids),
        )
        yield from _class_marks(table, captions, rules)
        if rules.source == "world":
            yield from _world_marks(table, paths, rules)


def _lengths(table: pa.Table, name: str) -> pa.Array:
    return pc.list_value_length(combined(table, name))


def _class_marks(table: pa.Table, captions: pa.Array, rules: TemplateRules) -> Iterator[Marked]:
    """Label, wnid and, in class rows, the name that was put in."""
    labels, wnids = combined(table, "label"), combined(table, "wnid")
    if rules.source == "imagenet":
        stems = pc.extract_regex(combined(table, "image_id"), TRAINING_STEM)
        yield (
            "image_id is no training image of its wnid",
            pc.not_equal(pc.struct_field(stems, "wnid"), wnids),
        )
        yield "label is not its wnid's", pc.not_equal(labels, labels_of(wnids))
        names = pc.cast(class_names_of(wnids), pa.string())
    elif rules.source == "world":
        is_known = pc.and_(pc.greater_equal(labels, 0), pc.less(labels, world.NUM_CLASSES))
        yield "label is no class of the sample world", pc.invert(is_known)
        yield "wnid found, none expected", pc.is_valid(wnids)
        known = pa.array([world.class_name(label) for label in range(world.NUM_CLASSES)])
        names = known.take(pc.if_else(is_known, labels, None))
    else:
        return
    if rules.phrase:
        coded = names.dictionary_encode()
        phrases = pa.array(map(rules.phrase, coded.dictionary.to_pylist()), pa.string())
        yield (
            "caption is not the name of its class",
            pc.not_equal(captions, phrases.take(coded.indices)),
        )


def _world_marks(table: pa.Table, paths: pa.Array, rules: TemplateRules) -> Iterator[Marked]:
    """Every scene made again."""
    is_class = rules.phrase is not None
    image_ids = combined(table, "image_id")
    is_foreign, scenes = scenes_of(image_ids, "train", captions=not is_class)
    yield "image_id is no training scene of the sample world", is_foreign
    for name, found in (("image", paths), ("label", combined(table, "label"))):
        is_other = pc.not_equal(found, combined(scenes, name))
        yield f"{name} is not its scene's", pc.if_else(is_foreign, False, is_other)
    if not is_class:
        is_other = pc.not_equal(combined(table, "caption"), combined(scenes, "caption"))
        yield "caption is not its scene's", pc.if_else(is_foreign, False, is_other)
