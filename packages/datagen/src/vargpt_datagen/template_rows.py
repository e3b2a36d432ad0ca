"""Rows of `instruct` from captions and templates, as whole columns.

N rows    2N turns: request, answer, request, answer, ...
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.splitmix import choices, key_of
from vargpt_datagen.wording_templates import WordingTemplate, WordingTemplates
from vargpt_schema import IMAGE_GEN, INSTRUCT
from vargpt_schema.compute import pc
from vargpt_schema.instruct import MESSAGES

_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint16)
_SEPARATOR = "\x1f"  # as in sample_id_of


class Forms(NamedTuple):
    """The two pools that a row's wording is chosen from; answers with their placeholder."""

    prompts: tuple[WordingTemplate, ...]
    answers: tuple[WordingTemplate, ...]


class Chosen(NamedTuple):
    """(N,) int32 each: which template of a pool."""

    prompts: np.ndarray
    answers: np.ndarray


class Turns(NamedTuple):
    """(N,) texts of both sides."""

    prompts: pa.Array
    answers: pa.Array


def forms_of(templates: WordingTemplates) -> Forms:
    """The pools of training rows: requests, and answers with the placeholder of the picture."""
    return Forms(
        templates.prompts,
        tuple(each._replace(text=each.text + IMAGE_GEN) for each in templates.answers),
    )


def chosen_templates(numbers: np.ndarray, forms: Forms, *, seed: int, captions: str) -> Chosen:
    """Which templates rows with these numbers have; `captions` is the fingerprint of the source."""
    return Chosen(
        choices(key_of("1270k prompts", seed, captions), numbers, len(forms.prompts)),
        choices(key_of("1270k answers", seed, captions), numbers, len(forms.answers)),
    )


def turns_of(captions: pa.Array, chosen: Chosen, forms: Forms) -> Turns:
    """The captions put into their templates."""
    return Turns(
        filled(captions, chosen.prompts, forms.prompts),
        filled(captions, chosen.answers, forms.answers),
    )


def filled(
    captions: pa.Array, chosen: np.ndarray, templates: Sequence[WordingTemplate]
) -> pa.Array:
    """(N,) each caption in its template's slot."""
    before = pa.array([template.before for template in templates]).take(pa.array(chosen))
    after = pa.array([template.after for template in templates]).take(pa.array(chosen))
    return pc.binary_join_element_wise(before, captions, after, "")


def instruct_rows(
    images: pa.Table,
    captions: pa.Array,
    chosen: Chosen,
    forms: Forms,
    *,
    source: str,
    method: str,
) -> pa.Table:
    """The `instruct` table of these images: `image_id`, `image`, `label`, `wnid` of each."""
    num_rows = len(captions)
    turns = turns_of(captions, chosen, forms)
    image_ids, paths = combined(images, "image_id"), combined(images, "image")
    columns: dict[str, Any] = {
        "sample_id": sample_ids(_repeated(source, num_rows), image_ids, paths, turns),
        "messages": _messages(turns),
        "images": pa.ListArray.from_arrays(_numbers(num_rows + 1), paths),
        "task": _repeated("generation", num_rows),
        "caption": captions,
        "image_id": image_ids,
        "label": combined(images, "label"),
        "wnid": combined(images, "wnid"),
        "source": _repeated(source, num_rows),
        "method": _repeated(method, num_rows),
        "prompt_template_id": _ids(forms.prompts).take(pa.array(chosen.prompts)),
        "answer_template_id": _ids(forms.answers).take(pa.array(chosen.answers)),
        "shot_ids": pa.ListArray.from_arrays(
            pa.array(np.zeros(num_rows + 1, np.int32)), pa.array([], pa.string())
        ),
    }
    arrays = [
        pc.cast(columns[field.name], field.type)
        if field.name in columns
        else pa.nulls(num_rows, field.type)
        for field in INSTRUCT.schema
    ]
    return pa.table(arrays, schema=INSTRUCT.schema)


def sample_ids(sources: pa.Array, image_ids: pa.Array, paths: pa.Array, turns: Turns) -> pa.Array:
    """(N,) what `sample_id_of` gives for rows of one image, one request and one answer."""
    said = pc.binary_join_element_wise(
        sources, image_ids, paths, "user", turns.prompts, "assistant", turns.answers, _SEPARATOR
    )
    num_rows = len(said)
    _, starts, text = said.buffers()
    ends = np.frombuffer(starts, np.int32)[said.offset : said.offset + num_rows + 1].tolist()
    data = memoryview(text) if text is not None else memoryview(b"")
    sha256 = hashlib.sha256
    digests = b"".join([sha256(data[start:end]).digest()[:8] for start, end in pairwise(ends)])
    digits = _HEX[np.frombuffer(digests, np.uint8)]
    offsets = np.arange(0, 16 * num_rows + 1, 16, dtype=np.int32)
    return pa.StringArray.from_buffers(num_rows, pa.py_buffer(offsets), pa.py_buffer(digits))


def turns_in(table: pa.Table) -> Turns | None:
    """Request and answer of every row of an `instruct` table; None unless each row has just two."""
    messages = combined(table, "messages")
    if pc.any(pc.not_equal(pc.list_value_length(messages), 2)).as_py():
        return None
    contents = pc.struct_field(messages.flatten(), "content")
    numbers = np.arange(0, len(contents), 2)
    return Turns(contents.take(pa.array(numbers)), contents.take(pa.array(numbers + 1)))


def combined(table: pa.Table, name: str) -> Any:
    """One column as one array."""
    column = table.column(name)
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _messages(turns: Turns) -> pa.ListArray:
    num_rows = len(turns.prompts)
    places = np.arange(2 * num_rows, dtype=np.int64).reshape(2, num_rows).T.ravel()
    contents = pa.concat_arrays([turns.prompts, turns.answers]).take(pa.array(places))
    is_answer = pa.array(np.arange(2 * num_rows) % 2)
    roles = pa.array(["user", "assistant"]).take(is_answer)
    structs = pa.StructArray.from_arrays([roles, contents], fields=list(MESSAGES.value_type.fields))
    offsets = pa.array(np.arange(0, 2 * num_rows + 1, 2, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, structs, type=MESSAGES)


def _ids(templates: Sequence[WordingTemplate]) -> pa.Array:
    return pa.array([template.template_id for template in templates])


def _numbers(count: int) -> pa.Array:
    return pa.array(np.arange(count, dtype=np.int32))


def _repeated(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), count)
