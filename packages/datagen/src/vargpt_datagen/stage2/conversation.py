"""A conversation of LLaVA or OneVision as ours: roles, placeholders, nothing a tokenizer mistakes.

Text is kept as it is, with two changes. Literals that mean something to the tokenizer lose that
meaning by a space after `<`, as in `< image>`: all of them but the placeholders of the row's own
images. An answer before the first request is left out, as LLaVA's trainer leaves it out, and so is
a last request without an answer, which trains nothing.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from vargpt_schema import IMAGE, Message

_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
_TOKENS = r"image_gen|/s|pad|\|image_gen_(?:start|pad|end)\|"
_TYPED_TOKEN = re.compile(rf"<(?=(?:{_TOKENS})>)")
_TYPED_TOKEN_OR_IMAGE = re.compile(rf"<(?=(?:image|{_TOKENS})>)")


class Conversation(NamedTuple):
    """A row's turns, and what was changed in them."""

    messages: tuple[Message, ...]
    changes: tuple[str, ...]  # names of CHANGES, each once


class Fault(NamedTuple):
    """Why a record is no row."""

    reason: str
    detail: str


class Turn(NamedTuple):
    """One turn as the source has it; anything but text is a fault."""

    speaker: object
    text: object


CHANGES = {
    "escaped": "literals such as <image> in text made harmless",
    "first_answer_left_out": "an answer before the first request left out",
    "last_request_left_out": "a last request without an answer left out",
}


def conversation_of(turns: Sequence[Turn], num_images: int) -> Conversation | Fault:
    """The conversation of a record with so many images, or what is wrong with it."""
    messages: list[Message] = []
    for speaker, text in turns:
        role = _ROLES.get(speaker) if isinstance(speaker, str) else None
        if role is None:
            return Fault("unknown_role", f"{speaker!r:.80}")
        if not isinstance(text, str):
            return Fault("no_text", f"{text!r:.80}")
        if not text.strip():
            return Fault("empty_turn", f"turn {len(messages) + 1}")
        messages.append(Message(role, text))
    changes: list[str] = []
    if messages and messages[0].role == "assistant":
        del messages[0]
        changes.append("first_answer_left_out")
    if messages and messages[-1].role == "user":
        del messages[-1]
        changes.append("last_request_left_out")
    if not messages:
        return Fault("no_turns", f"{len(turns)} turns")
    for place, message in enumerate(messages):
        if message.role != ("user", "assistant")[place % 2]:
            return Fault("turn_order", f"turn {place + 1} of {len(messages)} is {message.role}")
    fault = _placeholder_fault(messages, num_images) if num_images else None
    if fault:
        return fault
    try:
        kept = _neutralised(messages, _TYPED_TOKEN if num_images else _TYPED_TOKEN_OR_IMAGE)
    except UnicodeEncodeError as error:
        return Fault("no_unicode", error.reason)
    if kept is not messages:
        changes.append("escaped")
    return Conversation(tuple(kept), tuple(changes))


def _placeholder_fault(messages: Sequence[Message], num_images: int) -> Fault | None:
    asked = sum(message.content.count(IMAGE) for message in messages[::2])
    answered = sum(message.content.count(IMAGE) for message in messages[1::2])
    if answered:
        return Fault("image_in_answer", f"{answered} {IMAGE} in answers")
    if asked != num_images:
        return Fault("image_count", f"{asked} {IMAGE} for {num_images} images")
    return None


def _neutralised(messages: list[Message], token: re.Pattern[str]) -> list[Message]:
    """The messages themselves when no token is in them. UnicodeEncodeError for broken text."""
    whole = "".join(message.content for message in messages)
    whole.encode()  # half a surrogate pair cannot be stored
    if "<" not in whole or not any(token.search(message.content) for message in messages):
        return messages
    return [Message(message.role, token.sub("< ", message.content)) for message in messages]
