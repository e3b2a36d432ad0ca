"""LLaVA's form: `id`, `image`, and `conversations` between "human" and "gpt"."""

import pyarrow as pa

from vargpt_datagen.export.json_text import json_objects, json_texts, list_texts
from vargpt_schema.compute import pc

COLUMNS = ("sample_id", "messages", "images")
SPEAKERS = {"user": "human", "assistant": "gpt"}


def llava_lines(rows: pa.RecordBatch) -> pa.Array:
    """One JSON object a row.

    A row without an image has no key `image`, which is how LLaVA's loader knows text; a row with
    several has a list there.
    """
    messages = rows.column("messages")
    turns = pc.list_flatten(messages)
    is_user = pc.equal(pc.struct_field(turns, "role"), "user")
    spoken = {
        "from": pc.if_else(is_user, SPEAKERS["user"], SPEAKERS["assistant"]),
        "value": pc.struct_field(turns, "content"),
    }
    lengths = pc.cast(pc.list_value_length(messages), pa.int64())
    return pc.binary_join_element_wise(
        '{"id": ',
        json_texts(rows.column("sample_id")),
        _image_part(rows.column("images")),
        ', "conversations": ',
        list_texts(json_objects(spoken), lengths),
        "}",
        "",
    )


def _image_part(images: pa.Array) -> pa.Array:
    """`, "image": ...` of each row, empty where there is none."""
    count = pc.list_value_length(images)
    first = pc.list_element(pc.if_else(pc.greater(count, 0), images, pa.scalar([""])), 0)
    value = pc.if_else(pc.greater(count, 1), json_texts(images), json_texts(first))
    return pc.if_else(pc.equal(count, 0), "", pc.binary_join_element_wise(', "image": ', value, ""))
