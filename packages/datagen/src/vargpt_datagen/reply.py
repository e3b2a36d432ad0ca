"""What a writer answers, and the reading of its text as a prompt and an answer."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol


class Reply(NamedTuple):
    """One reply of a writer, as received."""

    text: str
    finish_reason: str  # "stop" when complete; as the endpoint reported it
    model: str  # as the endpoint reported it
    prompt_tokens: int  # as billed, cached ones included
    cached_tokens: int
    completion_tokens: int
    usd: float | None  # by the price when it arrived; None: price unknown


# Finish reasons of our own, for requests that ended without a reply; the text says why.
REFUSED = "http_refusal"  # the endpoint will not answer this request, however often it is sent
NO_REPLY = "no_reply"  # it answered others, and failed at this one again and again
_FINAL = {REFUSED: "refused", NO_REPLY: "no_reply"}  # with the reason of the reject


class Writer(Protocol):
    """Anything that answers the body of a chat completion request."""

    async def complete(self, body: bytes) -> Reply: ...


class NotAskedError(Exception):
    """No reply is there, and none may be asked for."""


class NoCalls:
    """The writer of a run that must not call anybody."""

    async def complete(self, body: bytes) -> Reply:
        raise NotAskedError(len(body))


class Pair(NamedTuple):
    """The two texts of a reply."""

    prompt: str
    answer: str


class Unusable(NamedTuple):
    """A reply without two texts."""

    reason: str  # blank, cut_off, malformed_json, refused, no_reply
    detail: str
    is_final: bool = False  # asking again would not help


def read_pair(reply: Reply) -> Pair | Unusable:
    """The prompt and answer in a reply's JSON object; other keys are ignored."""
    if reply.finish_reason in _FINAL:
        return Unusable(_FINAL[reply.finish_reason], reply.text, is_final=True)
    if not reply.text.strip():  # DeepSeek's JSON mode blanks what it could not parse
        return Unusable("blank", f"finish_reason {reply.finish_reason}")
    if reply.finish_reason == "content_filter":
        return Unusable("refused", "finish_reason content_filter", is_final=True)
    if reply.finish_reason != "stop":
        return Unusable("cut_off", f"finish_reason {reply.finish_reason}")
    try:
        found = json.loads(reply.text)
    except (ValueError, RecursionError) as error:
        return Unusable("malformed_json", str(error))
    if not isinstance(found, dict):
        return Unusable("malformed_json", f"{type(found).__name__} instead of an object")
    prompt, answer = found.get("prompt"), found.get("answer")
    if not isinstance(prompt, str) or not isinstance(answer, str):
        return Unusable("malformed_json", f"keys {sorted(found)} instead of prompt and answer")
    if not prompt.strip() or not answer.strip():
        return Unusable("blank", "prompt or answer is empty")
    if not _is_unicode(prompt + answer):
        return Unusable("malformed_json", "half of a surrogate pair, which is no character")
    return Pair(prompt, answer)


MAX_ATTEMPTS = 3  # replies to one request before an unusable one becomes a reject


class Judgeable(NamedTuple):
    """The last reply to a request, and what it holds."""

    reply: Reply
    found: Pair | Unusable
    attempts: int


async def last_reply(known: Sequence[Reply], ask: Callable[[int], Awaitable[Reply]]) -> Judgeable:
    """Known replies, then those asked for by the number of their attempt.

    Ends with the first that holds a pair or is final, or when there have been enough.
    """
    attempt = 0
    while True:
        attempt += 1
        reply = known[attempt - 1] if attempt <= len(known) else await ask(attempt)
        found = read_pair(reply)
        if isinstance(found, Pair) or found.is_final or attempt == MAX_ATTEMPTS:
            return Judgeable(reply, found, attempt)


def is_answered(known: Sequence[Reply]) -> bool:
    """Whether known replies are enough to judge a request."""
    for reply in known[:MAX_ATTEMPTS]:
        found = read_pair(reply)
        if isinstance(found, Pair) or found.is_final:
            return True
    return len(known) >= MAX_ATTEMPTS


def _is_unicode(text: str) -> bool:
    """Whether a text can be stored: JSON's escapes can spell what UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
