"""Table `instruct`: one training conversation, as every `datagen build-*` writes it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from vargpt_schema.compute import pc
from vargpt_schema.conversation import Message
from vargpt_schema.fields import INT, TEXT, TEXTS, optional, required
from vargpt_schema.row_rules import instruct_row_faults
from vargpt_schema.table import Table, table_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructRecord:
    sample_id: str  # 16 hex digits: sample_id_of() the row
    messages: tuple[Message, ...]
    images: tuple[str, ...]  # POSIX paths relative to one image root, in placeholder order
    task: str  # a Task
    caption: str | None  # the cleaned caption the row was written from
    image_id: str | None
    label: int | None  # class index in label order
    wnid: str | None
    source: str  # the data set the image and caption come from
    method: str  # a Method: who wrote the text
    prompt_seed_id: str | None
    caption_seed_id: str | None
    answer_seed_id: str | None
    prompt_template_id: str | None
    answer_template_id: str | None
    shot_ids: tuple[str, ...]  # "pair id@image id" of each shot, in the order shown
    generator: str | None  # model id as the endpoint reported it
    request_sha256: str | None  # of the request body's bytes
    attempts: int | None  # judged replies, not sends


MESSAGES = pa.list_(pa.struct([required("role", TEXT), required("content", TEXT)]))

INSTRUCT = Table(
    name="instruct",
    version=1,
    record=InstructRecord,
    schema=table_schema(
        "instruct",
        1,
        [
            required("sample_id", TEXT),
            required("messages", MESSAGES),
            required("images", TEXTS),
            required("task", TEXT),
            optional("caption", TEXT),
            optional("image_id", TEXT),
            optional("label", INT),
            optional("wnid", TEXT),
            required("source", TEXT),
            required("method", TEXT),
            optional("prompt_seed_id", TEXT),
            optional("caption_seed_id", TEXT),
            optional("answer_seed_id", TEXT),
            optional("prompt_template_id", TEXT),
            optional("answer_template_id", TEXT),
            required("shot_ids", TEXTS),
            optional("generator", TEXT),
            optional("request_sha256", TEXT),
            optional("attempts", INT),
        ],
    ),
    row_faults=instruct_row_faults,
)


def messages_array(conversations: Sequence[Sequence[Message]]) -> pa.ListArray:
    """The `messages` column of many conversations."""
    lengths = pa.array([0, *map(len, conversations)], pa.int32())
    turns = [turn for conversation in conversations for turn in conversation]
    columns = [pa.array([turn[side] for turn in turns], TEXT) for side in (0, 1)]
    structs = pa.StructArray.from_arrays(columns, fields=list(MESSAGES.value_type.fields))
    return pa.ListArray.from_arrays(pc.cumulative_sum(lengths), structs, type=MESSAGES)


def sample_id_of(
    source: str, image_id: str | None, images: Sequence[str], messages: Sequence[Message]
) -> str:
    """16 hex digits that depend on what a trainer sees and where it came from, on nothing else."""
    parts = [source, image_id or "", *images, *(text for turn in messages for text in turn)]
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
