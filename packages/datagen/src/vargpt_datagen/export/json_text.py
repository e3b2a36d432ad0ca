"""Arrow columns as JSON text, a column at a time: a whole file goes without a Python object a row.

The text is that of `json.dumps(value, ensure_ascii=False)`, except that the line ends which only
some readers know (U+0085, U+2028, U+2029) are escaped, so that a line stays a line everywhere.
"""

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from vargpt_schema.compute import pc

_RARE = r"[\x00-\x1f\x{85}\x{2028}\x{2029}]"  # what is left to escape after the common ones
_RARE_LINE_ENDS = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"})


def json_texts(values: pa.Array) -> pa.Array:
    """Each value as JSON text: text, whole numbers, truth values, lists and structs of these.

    TypeError for an Arrow type that no table of ours holds.
    """
    texts = _texts_of_type(values)
    return pc.if_else(pc.is_null(values), "null", texts) if values.null_count else texts


def json_objects(columns: Mapping[str, pa.Array]) -> pa.Array:
    """One JSON object a row, keys in the order given."""
    texts = {name: json_texts(values) for name, values in columns.items()}
    return object_texts(texts)


def object_texts(texts: Mapping[str, pa.Array]) -> pa.Array:
    """One JSON object a row from values that are JSON text already."""
    parts: list[str | pa.Array] = []
    for name, values in texts.items():
        parts += [f"{', ' if parts else '{'}{json.dumps(name)}: ", values]
    return pc.binary_join_element_wise(*parts, "}", "")


def list_texts(texts: pa.Array, lengths: pa.Array) -> pa.Array:
    """One JSON list a row from the JSON texts of all its items, `lengths` of them a row."""
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths)])
    lists = pa.LargeListArray.from_arrays(offsets, texts)
    return pc.binary_join_element_wise("[", pc.binary_join(lists, ", "), "]", "")


def _texts_of_type(values: pa.Array) -> pa.Array:
    kind = values.type
    if pa.types.is_string(kind):
        return _quoted(values)
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return pc.cast(values, pa.string())
    if pa.types.is_list(kind):
        lengths = pc.cast(pc.fill_null(pc.list_value_length(values), 0), pa.int64())
        return list_texts(json_texts(pc.list_flatten(values)), lengths)
    if pa.types.is_struct(kind):
        return json_objects({field.name: pc.struct_field(values, field.name) for field in kind})
    raise TypeError(f"no JSON text for Arrow type {kind}")


def _quoted(texts: pa.Array) -> pa.Array:
    escaped = pc.replace_substring(texts, "\\", "\\\\")
    escaped = pc.replace_substring(escaped, '"', '\\"')
    escaped = pc.replace_substring(escaped, "\n", "\\n")
    if _may_hold_rare(escaped):
        is_rare = pc.fill_null(pc.match_substring_regex(escaped, _RARE), False)
        rare = [_escaped(text) for text in texts.filter(is_rare).to_pylist()]
        escaped = pc.replace_with_mask(escaped, is_rare, pa.array(rare, pa.string()))
    return pc.binary_join_element_wise('"', escaped, '"', "")


def _may_hold_rare(texts: pa.Array) -> bool:
    """Whether any byte could be of a mark to escape: asked first, as the pattern takes longer."""
    data = np.frombuffer(text_bytes(texts), np.uint8)
    return bool(np.any((data < 0x20) | (data == 0x85) | (data == 0xA8) | (data == 0xA9)))


def text_bytes(texts: pa.Array) -> pa.Buffer:
    """The UTF-8 of all texts one after the other, not copied; nulls count as empty."""
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return pa.py_buffer(b"")
    ends = np.frombuffer(offsets, np.int32)
    return data.slice(ends[texts.offset], ends[texts.offset + len(texts)] - ends[texts.offset])


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1].translate(_RARE_LINE_ENDS)
