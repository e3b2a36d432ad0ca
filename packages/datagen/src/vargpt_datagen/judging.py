"""Judging: an answered request to a row's text or a reject, by rules alone."""

from typing import NamedTuple

from vargpt_datagen.checks import Candidate, Fault, first_fault, normalise, normalise_answer
from vargpt_datagen.reply import Pair, Reply, Unusable
from vargpt_datagen.request import Request


class Answered(NamedTuple):
    """A request with the last of its replies."""

    position: int  # in the plan's order
    request: Request
    reply: Reply
    found: Pair | Unusable  # what the reply's text holds
    attempts: int  # replies so far
    was_asked: bool  # in this run, and not taken from the journal


class Accepted(NamedTuple):
    """A row's text."""

    position: int
    prompt: str
    answer: str
    generator: str
    request_sha256: str
    attempts: int


class Rejected(NamedTuple):
    """A candidate given up."""

    position: int
    reason: str
    detail: str
    prompt: str | None  # None when the reply held no pair
    answer: str | None
    text: str
    generator: str
    request_sha256: str
    attempts: int


def judge(answered: Answered) -> Accepted | Rejected:
    """What becomes of one answered request; the same today as for a reply kept from last year."""
    position, request, reply, found, attempts, _ = answered
    if isinstance(found, Unusable):
        return _rejected(answered, found, None)
    pair = Pair(normalise(found.prompt), normalise_answer(found.answer))
    fault = first_fault(
        Candidate(
            prompt=pair.prompt,
            answer=pair.answer,
            caption=request.caption,
            shots=request.shots,
            seeds=request.seeds,
        )
    )
    if fault is not None:
        return _rejected(answered, fault, pair)
    return Accepted(position, pair.prompt, pair.answer, reply.model, request.sha256, attempts)


def _rejected(answered: Answered, fault: Fault | Unusable, pair: Pair | None) -> Rejected:
    return Rejected(
        position=answered.position,
        reason=fault.reason,
        detail=fault.detail,
        prompt=pair.prompt if pair else None,
        answer=pair.answer if pair else None,
        text=answered.reply.text,
        generator=answered.reply.model,
        request_sha256=answered.request.sha256,
        attempts=answered.attempts,
    )
