"""What `verify` expects of the raw replies: those of every row and reject, and the money."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from vargpt_schema.compute import pc


def reply_faults(
    manifest: Mapping[str, Any], replies: pa.Table, rows: pa.Table, rejects: pa.Table
) -> Iterator[str]:
    """Every reply once, none missing, tokens and USD as the manifest counts them."""
    keys = replies.select(["request_sha256", "attempt"])
    num_distinct = keys.group_by(keys.column_names).aggregate([]).num_rows
    if num_distinct != replies.num_rows:
        yield f"replies: {replies.num_rows - num_distinct} repeat a request and attempt"
    known = pc.unique(replies.column("request_sha256"))
    for name, table in {"rows": rows, "rejects": rejects}.items():
        is_known = pc.is_in(table.column("request_sha256"), value_set=known)
        missing = table.num_rows - (pc.sum(is_known).as_py() or 0)
        if missing:
            yield f"replies: {missing} {name} have no reply here"
    tokens = manifest.get("tokens", {})
    for name in ("prompt", "cached", "completion"):
        found = _sum(replies.column(f"{name}_tokens"))
        if tokens.get(name) != found:
            yield f"replies: {found} {name} tokens, the manifest says {tokens.get(name)}"
    usd = replies.column("usd")
    told = manifest.get("usd")
    found_usd = None if usd.null_count else _sum(usd)
    if (told is None) != (found_usd is None) or (
        told is not None and not math.isclose(told, found_usd or 0.0, abs_tol=1e-6)
    ):
        yield f"replies: {found_usd} USD, the manifest says {told}"


def _sum(column: pa.ChunkedArray) -> Any:
    return pc.sum(column).as_py() or 0
