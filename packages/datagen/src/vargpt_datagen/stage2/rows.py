"""Rows of the mixture: what a source's records become in tables `instruct` and `rejects`."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from vargpt_datagen.stage2.conversation import Conversation, Fault, Turn
from vargpt_datagen.stage2.images import Picture
from vargpt_datagen.stage2.selection import Selected
from vargpt_schema import (
    IMAGE,
    INSTRUCT,
    Message,
    RejectRecord,
    messages_array,
    sample_id_of,
)

ROWS_PER_PIECE = 2_000  # as Python objects, which take ten times the room of Arrow's columns
_MAX_REJECT_CHARACTERS = 2_000


class Record(NamedTuple):
    """One record of a source, before it is judged."""

    record_id: str  # storable
    source: str  # of the row, such as "llava/coco"
    turns: Sequence[Turn]
    images: tuple[str, ...]  # paths below the image root


class Piece(NamedTuple):
    """Some rows of a source, in the order of their numbers."""

    numbers: np.ndarray
    table: pa.Table  # `instruct`
    first_turns: np.ndarray  # uint64, of the first image's bytes and the first request; 0: no image
    texts: np.ndarray  # uint64, of all turns


@dataclass(kw_only=True)
class Findings:
    """What was noticed while the rows were written."""

    rejects: list[RejectRecord] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)  # rows by kind of change
    unusable: dict[str, "Unusable"] = field(default_factory=dict)  # by place
    misnamed: Counter[str] = field(default_factory=Counter)  # rows by name; usable


class Unusable(NamedTuple):
    """A picture that rows were dropped for."""

    fault: str
    rows: int


class Source(Protocol):
    """A set of rows to draw from; rows are known by their number."""

    hashes: np.ndarray  # uint64, of a row's texts and the seed
    fractions: np.ndarray  # float64, above 0, of each row in the recipe

    def judge(self, numbers: np.ndarray) -> np.ndarray:
        """Whether these rows, ascending, can be used: text and pictures are looked at."""
        ...

    def pieces(self, selected: Selected, findings: Findings) -> Iterator[Piece]:
        """The accepted rows in order; rejected ones go to the findings."""
        ...


class Pieces:
    """Gathers imported rows into pieces."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._rows: list[tuple[Record, Conversation]] = []
        self._first_turns: list[int] = []
        self._texts: list[int] = []
        self._lists = (self._numbers, self._rows, self._first_turns, self._texts)

    @property
    def is_full(self) -> bool:
        return len(self._rows) >= ROWS_PER_PIECE

    def add(
        self, number: int, record: Record, conversation: Conversation, sha256: bytes | None
    ) -> None:
        """Add one row; `sha256` of its first image's bytes, None without images."""
        texts = [message.content for message in conversation.messages]
        request = texts[0].replace(IMAGE, "").strip()
        self._numbers.append(number)
        self._rows.append((record, conversation))
        self._first_turns.append(0 if sha256 is None else hash_of(sha256.hex(), request))
        self._texts.append(hash_of(request, *texts[1:]))

    def take(self) -> Piece:
        """Everything that was added since the last time."""
        piece = Piece(
            np.array(self._numbers, np.int64),
            _imported(self._rows),
            np.array(self._first_turns, np.uint64),
            np.array(self._texts, np.uint64),
        )
        for each in self._lists:
            each.clear()
        return piece


def hash_of(*texts: str) -> int:
    """64 bits that are the same for the same texts, and 0 for none in practice."""
    digest = hashlib.blake2b("\x1f".join(texts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def reject_of(record: Record, fault: Fault) -> RejectRecord:
    """A record that became no row, with the beginning of its text."""
    said = [turn.text for turn in record.turns if isinstance(turn.text, str)]
    raw = json.dumps([[turn.speaker, turn.text] for turn in record.turns], default=repr)
    return RejectRecord(
        image_id=record.record_id,
        caption="",
        request_sha256="",  # nothing was asked
        attempts=0,
        reason=fault.reason,
        detail=storable(fault.detail),
        prompt=storable(said[0]) if said else None,
        answer=storable(said[1]) if len(said) > 1 else None,
        text=raw[:_MAX_REJECT_CHARACTERS],
        generator=record.source,
    )


def picture_fault(findings: Findings, place: str, picture: Picture) -> Fault:
    """The fault of a row with an unusable picture, which is counted."""
    known = findings.unusable.get(place)
    findings.unusable[place] = Unusable(picture.fault, known.rows + 1 if known else 1)
    return Fault(picture.fault, place)


def storable(text: str) -> str:
    """The beginning of a text, without halves of surrogate pairs."""
    return text[:_MAX_REJECT_CHARACTERS].encode("utf-8", "replace").decode()


def _imported(rows: Sequence[tuple[Record, Conversation]]) -> pa.Table:
    nothing = [None] * len(rows)
    messages: list[tuple[Message, ...]] = [conversation.messages for _, conversation in rows]
    columns = {
        "sample_id": [
            sample_id_of(record.source, record.record_id, record.images, conversation.messages)
            for record, conversation in rows
        ],
        "messages": messages_array(messages),
        "images": [record.images for record, _ in rows],
        "task": ["understanding" if record.images else "text" for record, _ in rows],
        "caption": nothing,
        "image_id": [record.record_id for record, _ in rows],
        "label": nothing,
        "wnid": nothing,
        "source": [record.source for record, _ in rows],
        "method": ["imported"] * len(rows),
        "prompt_seed_id": nothing,
        "caption_seed_id": nothing,
        "answer_seed_id": nothing,
        "prompt_template_id": nothing,
        "answer_template_id": nothing,
        "shot_ids": [()] * len(rows),
        "generator": nothing,
        "request_sha256": nothing,
        "attempts": nothing,
    }
    return pa.table(columns, schema=INSTRUCT.schema)
