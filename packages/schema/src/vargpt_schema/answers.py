"""Tables `answers` and `eval_samples`: stored answers to benchmark items, and their scores."""

from dataclasses import dataclass

from vargpt_schema.fields import BOOL, FLOAT, INT, TEXT, TEXTS, optional, required
from vargpt_schema.table import Table, table_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecord:
    task: str
    sample_id: str  # the benchmark's own item id
    prompt: str  # as the model got it, before the chat form
    images: tuple[str, ...]
    raw_response: str
    finish_reason: str
    error: str | None  # what went wrong instead of an answer
    model_sha256: str  # of the model's weight files
    generation_config_sha256: str


ANSWERS = Table(
    name="answers",
    version=1,
    record=AnswerRecord,
    schema=table_schema(
        "answers",
        1,
        [
            required("task", TEXT),
            required("sample_id", TEXT),
            required("prompt", TEXT),
            required("images", TEXTS),
            required("raw_response", TEXT),
            required("finish_reason", TEXT),
            optional("error", TEXT),
            required("model_sha256", TEXT),
            required("generation_config_sha256", TEXT),
        ],
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalSampleRecord:
    task: str
    sample_id: str
    cluster_id: str  # unit of the bootstrap: image, circular group, subject
    doc_hash: str  # sha256 of the benchmark item
    prompt: str
    prompt_hash: str  # sha256 of the prompt
    raw_response: str
    n_tokens: int | None
    finish_reason: str | None
    error: str | None  # set: counted as an error, never scored as text
    latency_ms: float | None
    parsed: str | None  # what the scorer read out of the response
    fallback: bool  # the scorer had to guess
    target: str
    score: float | None  # None where there is nothing to score
    category: str | None


EVAL_SAMPLES = Table(
    name="eval_samples",
    version=1,
    record=EvalSampleRecord,
    schema=table_schema(
        "eval_samples",
        1,
        [
            required("task", TEXT),
            required("sample_id", TEXT),
            required("cluster_id", TEXT),
            required("doc_hash", TEXT),
            required("prompt", TEXT),
            required("prompt_hash", TEXT),
            required("raw_response", TEXT),
            optional("n_tokens", INT),
            optional("finish_reason", TEXT),
            optional("error", TEXT),
            optional("latency_ms", FLOAT),
            optional("parsed", TEXT),
            required("fallback", BOOL),
            required("target", TEXT),
            optional("score", FLOAT),
            optional("category", TEXT),
        ],
    ),
)
