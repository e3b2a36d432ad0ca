"""What `verify` expects of every row: its own text, the rules of writing, its origin."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from vargpt_datagen.checks import Candidate, first_fault, normalise, normalise_answer
from vargpt_datagen.plan import NUM_SHOTS
from vargpt_datagen.pools import shipped_seeds, shipped_shot_pairs
from vargpt_datagen.reply import MAX_ATTEMPTS
from vargpt_schema import IMAGE_GEN, INSTRUCT, SEED_KINDS, Message, RowFault, sample_id_of

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ROWS_IN_MEMORY = 5_000  # as Python objects, which take ten times the room of Arrow's columns
_COLUMNS = [
    "sample_id",
    "source",
    "image_id",
    "images",
    "messages",
    "caption",
    "method",
    *(f"{kind}_seed_id" for kind in SEED_KINDS),
    "shot_ids",
    "generator",
    "request_sha256",
    "attempts",
]


class RowRules(NamedTuple):
    """What a build's configuration promises of its rows."""

    is_all_llm: bool
    seed_ids: Mapping[str, frozenset[str]] | None  # by kind; None: a table's, any name will do
    pair_ids: frozenset[str]
    has_pairs: bool  # in its shots; False: captions alone

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "RowRules":
        config = manifest["config"]
        shipped = {
            kind: frozenset(seed.seed_id for seed in pool) for kind, pool in shipped_seeds().items()
        }
        return cls(
            is_all_llm=manifest["set"] == "130k",
            seed_ids=shipped if config.get("seeds") is None else None,
            pair_ids=frozenset(pair.pair_id for pair in shipped_shot_pairs()),
            has_pairs=config.get("shots") != "captions",
        )


def row_faults(table: pa.Table, rules: RowRules) -> list[RowFault]:
    """Every rule a row breaks; the table's own rules first, then in row order."""
    faults = INSTRUCT.row_faults(table) if INSTRUCT.row_faults else []
    number = 0
    for batch in table.select(_COLUMNS).to_batches(max_chunksize=_ROWS_IN_MEMORY):
        for row in batch.to_pylist():
            faults += [RowFault(number, rule) for rule in _faults_of(row, rules)]
            number += 1
    return faults


def reject_faults(table: pa.Table) -> list[RowFault]:
    """Rejects whose request or attempts have no possible value."""
    columns = (table.column(name).to_pylist() for name in ("request_sha256", "attempts"))
    return [
        RowFault(number, rule)
        for number, (request_sha256, attempts) in enumerate(zip(*columns, strict=True))
        for rule in _request_faults(request_sha256, attempts)
    ]


def _faults_of(row: Mapping[str, Any], rules: RowRules) -> Iterator[str]:
    turns = [Message(**turn) for turn in row["messages"]]
    if row["sample_id"] != sample_id_of(row["source"], row["image_id"], row["images"], turns):
        yield f"sample_id {row['sample_id']} does not belong to its text"
    if row["method"] == "llm":
        yield from _text_faults(turns, row["caption"])
        yield from _origin_faults(row, rules)
    elif rules.is_all_llm:
        yield f"method is {row['method']}, llm expected in this set"


def _text_faults(turns: list[Message], caption: str | None) -> Iterator[str]:
    if len(turns) != 2:
        yield f"{len(turns)} turns found, a request and an answer expected"
        return
    if caption is None:
        yield "no caption, the one its text was written from expected"
        return
    prompt, answer = turns[0].content, turns[1].content.removesuffix(IMAGE_GEN)
    if prompt != normalise(prompt) or answer != normalise_answer(answer):
        yield "text is not in the normal form"
    fault = first_fault(Candidate(prompt=prompt, answer=answer, caption=caption))
    if fault:
        yield f"its text breaks the rule {fault.reason} ({fault.detail})"


def _origin_faults(row: Mapping[str, Any], rules: RowRules) -> Iterator[str]:
    for kind in SEED_KINDS:
        seed_id = row[f"{kind}_seed_id"]
        if not seed_id:
            yield f"no {kind}_seed_id"
        elif rules.seed_ids is not None and seed_id not in rules.seed_ids[kind]:
            yield f"{kind}_seed_id {seed_id!r} is none of the shipped ones"
    yield from _shot_faults(row["shot_ids"], row["image_id"], rules)
    if not row["generator"]:
        yield "no generator, the name of a model expected"
    yield from _request_faults(row["request_sha256"], row["attempts"])


def _shot_faults(shot_ids: list[str], image_id: str | None, rules: RowRules) -> Iterator[str]:
    num_different = len(set(shot_ids))
    if not num_different == len(shot_ids) == NUM_SHOTS:
        yield f"{len(shot_ids)} shots found, {num_different} different; {NUM_SHOTS} expected"
    for shot_id in shot_ids:
        pair_id, _, rest = shot_id.partition("@")
        shot_image_id = rest if rules.has_pairs else shot_id
        if not shot_image_id or (pair_id in rules.pair_ids) != rules.has_pairs:
            form = "a shipped pair's id, @ and an image id" if rules.has_pairs else "an image id"
            yield f"shot id {shot_id!r} is not {form}"
        elif shot_image_id == image_id:
            yield f"its own image {shot_image_id!r} is among its shots"


def _request_faults(request_sha256: str | None, attempts: int | None) -> Iterator[str]:
    if request_sha256 is None or not _SHA256.fullmatch(request_sha256):
        yield f"request_sha256 is {request_sha256!r}, 64 hex digits expected"
    if attempts is None or not 1 <= attempts <= MAX_ATTEMPTS:
        yield f"attempts is {attempts}, 1 to {MAX_ATTEMPTS} expected"
