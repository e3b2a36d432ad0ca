"""One answer to a benchmark's item, and the row of `eval_samples` that scoring makes of it."""

from dataclasses import replace
from typing import NamedTuple

from vargpt_eval.hashes import text_sha256
from vargpt_eval.scoring.item import BenchmarkItem
from vargpt_eval.scoring.item_row import target_text
from vargpt_eval.scoring.profile import Profile
from vargpt_eval.scoring.task import Task
from vargpt_schema import EvalSampleRecord

TRUNCATED = "length"  # finish_reason of an answer that was cut off


class Answered(NamedTuple):
    """An answer with the item that it answers."""

    item: BenchmarkItem
    prompt: str
    response: str
    finish_reason: str | None
    error: str | None


class Cost(NamedTuple):
    """What an answer took; None where nobody measured."""

    num_tokens: int | None
    latency_ms: float | None


def sample_with_cost(sample: EvalSampleRecord, cost: Cost) -> EvalSampleRecord:
    """The sample with its tokens and time."""
    return replace(sample, n_tokens=cost.num_tokens, latency_ms=cost.latency_ms)


def scored_sample(task: Task, answered: Answered, profile: Profile) -> EvalSampleRecord:
    """An error has no score; an answer that was cut off is wrong without being read."""
    sample = _unscored(task, answered)
    if answered.error is not None:
        return sample
    if answered.finish_reason == TRUNCATED:
        return replace(sample, score=0.0)
    return _read(sample, task, answered, profile)


def sample_read_as_text(task: Task, answered: Answered, profile: Profile) -> EvalSampleRecord:
    """As `scored_sample`, but an answer that was cut off is read like any other (lmms-eval)."""
    sample = _unscored(task, answered)
    return sample if answered.error is not None else _read(sample, task, answered, profile)


def _read(
    sample: EvalSampleRecord, task: Task, answered: Answered, profile: Profile
) -> EvalSampleRecord:
    # lmms-eval strips every response before any scorer sees it.
    score = task.score(answered.response.strip(), answered.item, profile)
    return replace(sample, parsed=score.parsed, fallback=score.is_fallback, score=score.score)


def _unscored(task: Task, answered: Answered) -> EvalSampleRecord:
    item = answered.item
    target = target_text(item)
    return EvalSampleRecord(
        task=task.name,
        sample_id=item.sample_id,
        cluster_id=item.cluster_id,
        doc_hash=text_sha256(repr((item.sample_id, target, item.options))),
        prompt=answered.prompt,
        prompt_hash=text_sha256(answered.prompt),
        raw_response=answered.response,
        n_tokens=None,
        finish_reason=answered.finish_reason,
        error=answered.error,
        latency_ms=None,
        parsed=None,
        fallback=False,
        target=target,
        score=None,
        category=item.category,
    )
