"""The body of a chat completion, read as a reply."""

import json
from typing import Any, NamedTuple, TypeGuard

from vargpt_datagen.printable import printable

_NAME_CHARACTERS = 200
_MOST_TOKENS = 10**9  # more is no count


class NotACompletionError(ValueError):
    """A body that is something else: HTML, JSON of another kind, nothing at all."""


class Usage(NamedTuple):
    """Tokens as billed."""

    prompt_tokens: int  # cached ones included
    cached_tokens: int
    completion_tokens: int


class Completion(NamedTuple):
    """The first choice of a chat completion."""

    text: str
    finish_reason: str
    model: str  # as the endpoint reported it
    usage: Usage | None  # None: not reported


def read_completion(content: bytes) -> Completion:
    """The completion in a response body; NotACompletionError for anything else."""
    try:
        found: Any = json.loads(content)
        choice = found["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise NotACompletionError(_shown(content)) from error
    if text is not None and not isinstance(text, str):
        raise NotACompletionError(_shown(content))
    return Completion(
        text=storable(text or ""),
        finish_reason=_name(choice.get("finish_reason")),
        model=_name(found.get("model")),
        usage=read_usage(found.get("usage")),
    )


def read_usage(usage: Any) -> Usage | None:
    """Both shapes: DeepSeek's prompt_cache_hit_tokens, OpenAI's prompt_tokens_details."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not _is_count(prompt) or not _is_count(completion):
        return None
    cached = usage.get("prompt_cache_hit_tokens")
    details = usage.get("prompt_tokens_details")
    if not _is_count(cached) and isinstance(details, dict):
        cached = details.get("cached_tokens")
    return Usage(prompt, min(cached, prompt) if _is_count(cached) else 0, completion)


def storable(text: str) -> str:
    """`text` without halves of surrogate pairs, which JSON can spell and no file can hold."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_TOKENS


def _name(value: Any) -> str:
    return printable(value)[:_NAME_CHARACTERS] if isinstance(value, str) else "unknown"


def _shown(content: bytes) -> str:
    if not content.strip():
        return "an empty body instead of a chat completion"
    text = content[:120].decode("utf-8", "replace")
    return f"no chat completion but {printable(' '.join(text.split()))!r}"
