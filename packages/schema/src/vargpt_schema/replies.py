"""Tables `replies` and `rejects`: what an endpoint answered, and what was dropped and why."""

from dataclasses import dataclass

from vargpt_schema.fields import FLOAT, INT, TEXT, optional, required
from vargpt_schema.table import Table, table_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRecord:
    request_sha256: str  # of the request body's bytes
    attempt: int  # 1-based number of this reply among those to the same request
    text: str  # raw, before any parsing
    finish_reason: str  # as the endpoint reported it
    model: str  # as the endpoint reported it, not as we asked for it
    prompt_tokens: int  # as billed by the endpoint, cached ones included
    cached_tokens: int  # prompt tokens billed at the cache price
    completion_tokens: int  # as billed by the endpoint
    usd: float | None  # by the price known when it arrived; None: no price known


REPLIES = Table(
    name="replies",
    version=2,
    record=ReplyRecord,
    schema=table_schema(
        "replies",
        2,
        [
            required("request_sha256", TEXT),
            required("attempt", INT),
            required("text", TEXT),
            required("finish_reason", TEXT),
            required("model", TEXT),
            required("prompt_tokens", INT),
            required("cached_tokens", INT),
            required("completion_tokens", INT),
            optional("usd", FLOAT),
        ],
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectRecord:
    image_id: str
    caption: str
    request_sha256: str
    attempts: int  # replies judged before this candidate was given up
    reason: str  # a reason of the row checks, or blank, cut_off, malformed_json
    detail: str  # the words at fault
    prompt: str | None  # None when the reply could not be parsed
    answer: str | None
    text: str  # the last raw reply
    generator: str  # model id as the endpoint reported it


REJECTS = Table(
    name="rejects",
    version=1,
    record=RejectRecord,
    schema=table_schema(
        "rejects",
        1,
        [
            required("image_id", TEXT),
            required("caption", TEXT),
            required("request_sha256", TEXT),
            required("attempts", INT),
            required("reason", TEXT),
            required("detail", TEXT),
            optional("prompt", TEXT),
            optional("answer", TEXT),
            required("text", TEXT),
            required("generator", TEXT),
        ],
    ),
)
