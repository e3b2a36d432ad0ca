"""Rows of `eval_prompts` from validation captions and templates, as whole columns."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.splitmix import choices, hashes, key_of
from vargpt_datagen.template_rows import combined, filled
from vargpt_datagen.wording_templates import WordingTemplate
from vargpt_schema import EVAL_PROMPTS
from vargpt_schema.compute import pc

SPLIT = "validation"


class Planned(NamedTuple):
    """(N,) each: what a row says, and the template that says it."""

    prompts: pa.Array
    template_ids: pa.Array


def planned_prompts(
    captions: pa.Array,
    span: range,
    templates: Sequence[WordingTemplate],
    *,
    seed: int,
    captions_sha256: str,
) -> Planned:
    """The captions of a span of rows in the templates that the plan gives them."""
    key = key_of("eval prompts", seed, captions_sha256)
    chosen = choices(key, np.arange(span.start, span.stop), len(templates))
    ids = pa.array([template.template_id for template in templates])
    return Planned(filled(captions, chosen, templates), ids.take(pa.array(chosen)))


def balanced_order(labels: np.ndarray, *, seed: int, captions: str) -> np.ndarray:
    """(N,) rows so that the first ones, however many, hold every class as evenly as can be.

    One image of each class, then a second of each, and so on; chance decides which and in which
    order. `captions` is the fingerprint of the source.
    """
    rows = np.arange(len(labels))
    by_class = np.lexsort((hashes(key_of("eval images", seed, captions), rows), labels))
    sorted_labels = labels[by_class]
    is_first = np.append(True, sorted_labels[1:] != sorted_labels[:-1])[: len(rows)]
    ranks = rows - np.maximum.accumulate(np.where(is_first, rows, 0))
    of_class = hashes(key_of("eval classes", seed, captions), sorted_labels)
    return by_class[np.lexsort((of_class, ranks))]


def prompt_rows(
    images: pa.Table,
    prompts: pa.Array,
    template_ids: pa.Array,
    source: str,
    *,
    split: str = SPLIT,
) -> pa.Table:
    """The `eval_prompts` table of N images with image_id, caption, label and wnid."""
    num_rows = len(prompts)
    columns = {
        "prompt_id": prompt_ids(source, combined(images, "image_id"), prompts),
        "prompt": prompts,
        "caption": combined(images, "caption"),
        "image_id": combined(images, "image_id"),
        "split": pa.repeat(pa.scalar(split), num_rows),
        "label": combined(images, "label"),
        "wnid": combined(images, "wnid"),
        "source": pa.repeat(pa.scalar(source), num_rows),
        "prompt_template_id": template_ids,
    }
    arrays = [pc.cast(columns[each.name], each.type) for each in EVAL_PROMPTS.schema]
    return pa.table(arrays, schema=EVAL_PROMPTS.schema)


def prompt_ids(source: str, image_ids: pa.Array, prompts: pa.Array) -> pa.Array:
    """(N,) 16 hex digits that depend on the source, the image and the prompt."""
    said = pc.binary_join_element_wise(source, image_ids, prompts, "\x1f").to_pylist()
    return pa.array([hashlib.sha256(text.encode()).hexdigest()[:16] for text in said])
