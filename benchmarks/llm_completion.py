"""What the test server answers: good text about a caption, in the shape of a chat completion."""

import json
import time
from typing import Any, NamedTuple

from llm_faults import Spoilt
from llm_options import Options, UsageShape

_CAPTION = "Caption: "
_CHARACTERS_PER_TOKEN = 4
_CACHED_UNIT_TOKENS = 64  # DeepSeek counts cached prefixes in units of so many

_PROMPTS = (
    "Could I see a picture of {}?",
    "Please draw {} for me.",
    "I would love an image of {}.",
    "Can you make me a picture that shows {}?",
)
_ANSWERS = ("Here is {}.", "Here is a picture of {}.", "This is the image of {} you asked for.")

_json_text = json.JSONEncoder(ensure_ascii=False).encode


class BadRequestError(ValueError):
    """A body that is no chat completion request."""


class Chat(NamedTuple):
    """The text of a request."""

    system: str  # the first message; what a cache of prefixes can hold
    last: str
    num_characters: int  # of all messages

    @property
    def caption(self) -> str | None:
        """What the last line of the last message names as its caption."""
        last = self.last.rstrip("\n")
        line = last[last.rfind("\n") + 1 :]
        return line.removeprefix(_CAPTION) if line.startswith(_CAPTION) else None


def read_chat(body: bytes) -> Chat:
    """The messages of a request; BadRequestError."""
    try:
        texts = [_text(message["content"]) for message in json.loads(body)["messages"]]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadRequestError(f"no messages found ({type(error).__name__})") from None
    if not texts:
        raise BadRequestError("an empty list of messages")
    return Chat(texts[0], texts[-1], sum(map(len, texts)))


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


class Completions:
    """Makes completions; remembers what it was asked as far as an endpoint's cache would."""

    def __init__(self) -> None:
        self._systems: set[str] = set()
        self._others: dict[str, int] = {}  # messages without a caption, by their turn

    def content(self, chat: Chat, sha256: bytes, options: Options) -> str:
        """A pair about the caption, or what the options give for another message."""
        caption = chat.caption
        if caption is None:
            if not options.content_file:
                return options.content
            turn = self._others.setdefault(chat.last, len(self._others))
            return options.content_file[turn % len(options.content_file)]
        scene = caption.strip().rstrip(".")
        prompt = _PROMPTS[sha256[0] % len(_PROMPTS)].format(scene)
        answer = _ANSWERS[sha256[1] % len(_ANSWERS)].format(scene)
        return f'{{"prompt": {_json_text(prompt)}, "answer": {_json_text(answer)}}}'

    def body(self, chat: Chat, sha256: bytes, reply: Spoilt, options: Options) -> bytes:
        """The bytes of a chat completion."""
        prompt_tokens = chat.num_characters // _CHARACTERS_PER_TOKEN
        completion_tokens = max(len(reply.content) // _CHARACTERS_PER_TOKEN, 1)
        cached_tokens = 0
        if chat.system in self._systems:
            units = len(chat.system) // _CHARACTERS_PER_TOKEN // _CACHED_UNIT_TOKENS
            cached_tokens = units * _CACHED_UNIT_TOKENS
        else:
            self._systems.add(chat.system)
        usage = _usage(options.usage, prompt_tokens, cached_tokens, completion_tokens)
        return (
            f'{{"id": "chatcmpl-{sha256[:12].hex()}", "object": "chat.completion", '
            f'"created": {int(time.time())}, "model": {_json_text(options.model)}, '
            f'"choices": [{{"index": 0, "message": {{"role": "assistant", '
            f'"content": {_json_text(reply.content)}}}, "logprobs": null, '
            f'"finish_reason": "{reply.finish_reason}"}}]{usage}}}'
        ).encode("utf-8", "replace")


def _usage(shape: UsageShape, prompt: int, cached: int, completion: int) -> str:
    if shape == "none":
        return ""
    if shape == "deepseek":
        cache = (
            f'"prompt_cache_hit_tokens": {cached}, "prompt_cache_miss_tokens": {prompt - cached}'
        )
    else:
        cache = f'"prompt_tokens_details": {{"cached_tokens": {cached}}}'
    return (
        f', "usage": {{"prompt_tokens": {prompt}, "completion_tokens": {completion}, '
        f'"total_tokens": {prompt + completion}, {cache}}}'
    )
