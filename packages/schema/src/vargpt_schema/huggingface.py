"""The `huggingface` metadata key: an Arrow schema told as `datasets` features.

Lists take the bracket form `[item]`, which `datasets` 3 and 5 both read; 3 knows no `_type: List`.
"""

import json

import pyarrow as pa

Feature = dict[str, "Feature"] | list["Feature"] | dict[str, str]


def feature_of(arrow_type: pa.DataType) -> Feature:
    """The `datasets` feature of one Arrow type; TypeError for a type no table of ours uses."""
    if pa.types.is_struct(arrow_type):
        return {field.name: feature_of(field.type) for field in arrow_type.fields}
    if pa.types.is_list(arrow_type):
        return [feature_of(arrow_type.value_type)]
    names = {pa.float64(): "float64", pa.bool_(): "bool"}
    if pa.types.is_integer(arrow_type) or pa.types.is_string(arrow_type) or arrow_type in names:
        return {"dtype": names.get(arrow_type, str(arrow_type)), "_type": "Value"}
    raise TypeError(f"no `datasets` feature for Arrow type {arrow_type}")


def huggingface_key(fields: list[pa.Field]) -> str:
    """JSON text for the `huggingface` key of a schema with these fields."""
    features = {field.name: feature_of(field.type) for field in fields}
    return json.dumps({"info": {"features": features}}, separators=(",", ":"))
