"""Short spellings of the Arrow fields that the tables are written with."""

import pyarrow as pa


def required(name: str, arrow_type: pa.DataType) -> pa.Field:
    """A column that every row fills."""
    return pa.field(name, arrow_type, nullable=False)


def optional(name: str, arrow_type: pa.DataType) -> pa.Field:
    """A column that may be null: None in the record."""
    return pa.field(name, arrow_type, nullable=True)


TEXT = pa.string()
TEXTS = pa.list_(pa.string())
INT = pa.int64()
FLOAT = pa.float64()
BOOL = pa.bool_()
