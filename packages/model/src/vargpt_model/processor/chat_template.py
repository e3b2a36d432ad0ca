"""The one chat form as a template, and a conversation as the pieces that the tokenizer is given."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from vargpt_schema import IMAGE, IMAGE_GEN, SYSTEM_SENTENCE
from vargpt_schema.conversation import END_OF_TURN

# Content is text with placeholders, or a list of parts as other libraries write it.
CHAT_TEMPLATE = (
    f"{SYSTEM_SENTENCE}"
    "{%- macro said(content) -%}"
    "{%- if content is string -%}{{ content }}"
    "{%- else -%}{%- for part in content -%}"
    "{%- if part['type'] == 'image' -%}" + IMAGE + ""
    "{%- elif part['type'] == 'image_gen' -%}" + IMAGE_GEN + ""
    "{%- else -%}{{ part['text'] }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}"
    "{%- endmacro -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}"
    "{{ ' USER: ' + said(message['content']) + ' ASSISTANT:' }}"
    "{%- else -%}"
    "{{ ' ' + said(message['content']) + '" + END_OF_TURN + "' }}"
    "{%- endif -%}"
    "{%- endfor -%}"
)

Kind = Literal["text", "special", "image", "image_gen"]
Render = Callable[[list[dict[str, str]]], str]

# Stands for one piece of content while the template runs. Private-use characters, so that no
# template has them; content never goes through the template.
_MARK = re.compile("\ue000([0-9]+)\ue001")
_PLACEHOLDER = re.compile(f"({re.escape(IMAGE)}|{re.escape(IMAGE_GEN)})")


class Piece(NamedTuple):
    """A stretch of a conversation."""

    kind: Kind
    text: str  # of text; the token of a special piece; "" for images
    is_answer: bool  # the model is to write it


def conversation_pieces(
    messages: Sequence[Any], render: Render, special_tokens: Sequence[str]
) -> list[Piece]:
    """What the stored template makes of `messages`, content apart from the template's own words.

    Only the template's own special tokens are special pieces: what somebody typed stays text. In
    a content that is text, `<image>` and `<image_gen>` are placeholders; in one that is a list of
    parts only the parts of those types are. An answer's last piece is the token that ends it.
    """
    contents: list[list[Piece]] = []
    marked = []
    for message in messages:
        role, content = _role_and_content(message)
        marked.append({"role": role, "content": f"\ue000{len(contents)}\ue001"})
        contents.append(_content_pieces(content, is_answer=role == "assistant"))
    words = re.compile("|".join(map(re.escape, special_tokens))) if special_tokens else None
    pieces: list[Piece] = []
    in_answer = False
    for index, chunk in enumerate(_MARK.split(render(marked))):
        if index % 2 == 0:
            template_words = _template_pieces(chunk, words, in_answer)
            pieces += template_words
            in_answer = False
            continue
        content = contents[int(chunk)]
        in_answer = bool(content) and content[0].is_answer
        if in_answer:
            _move_space(pieces, content)
        pieces += content
    return _merged(pieces)


def _role_and_content(message: Any) -> tuple[str, Any]:
    if isinstance(message, dict):
        return message["role"], message["content"]
    return message.role, message.content


def _content_pieces(content: Any, *, is_answer: bool) -> list[Piece]:
    if isinstance(content, str):
        names = {IMAGE: "image", IMAGE_GEN: "image_gen"}
        parts = [
            Piece(names.get(part, "text"), "" if part in names else part, is_answer)  # pyright: ignore[reportArgumentType]
            for part in _PLACEHOLDER.split(content)
        ]
    else:
        parts = [
            Piece("text", part["text"], is_answer)
            if part["type"] == "text"
            else Piece(part["type"], "", is_answer)
            for part in content
        ]
    # An empty piece in front keeps an answer that starts with an image recognisable.
    return [Piece("text", "", is_answer), *parts]


def _template_pieces(chunk: str, words: re.Pattern[str] | None, ends_answer: bool) -> list[Piece]:
    """The template's words; behind an answer its first special token belongs to the answer."""
    pieces = []
    start = 0
    for found in words.finditer(chunk) if words else ():
        pieces.append(Piece("text", chunk[start : found.start()], ends_answer))
        pieces.append(Piece("special", found.group(), ends_answer))
        ends_answer = False
        start = found.end()
    return [*pieces, Piece("text", chunk[start:], False)]


def _move_space(before: list[Piece], answer: list[Piece]) -> None:
    """Blanks before an answer are its own: the prompt of a reply ends without them."""
    last = before[-1]
    stripped = last.text.rstrip()
    answer[0] = Piece("text", last.text[len(stripped) :] + answer[0].text, True)
    before[-1] = Piece(last.kind, stripped, last.is_answer)


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Neighbouring texts of the same speaker as one, empty ones gone."""
    merged: list[Piece] = []
    for piece in pieces:
        if piece.kind == "text" and not piece.text:
            continue
        last = merged[-1] if merged else None
        if (
            last is not None
            and last.kind == piece.kind == "text"
            and last.is_answer == piece.is_answer
        ):
            merged[-1] = Piece("text", last.text + piece.text, last.is_answer)
        else:
            merged.append(piece)
    return merged
