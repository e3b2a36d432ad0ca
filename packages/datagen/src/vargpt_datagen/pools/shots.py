"""Shot pairs: forms of a request and its announcement, filled with a caption of the data."""

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from vargpt_datagen.pools.subject import noun_phrase_of, subject_of


class FilledShot(NamedTuple):
    prompt: str
    answer: str


class ShotPair(NamedTuple):
    """Two forms, each with one slot.

    `{caption}` is the caption as it stands, `{phrase}` the same as a noun phrase (it follows "a
    photo of"), `{subject}` its leading noun phrase alone.
    """

    pair_id: str
    prompt: str
    answer: str

    def filled(self, caption: str) -> FilledShot:
        """Both forms for one caption; braces inside the caption are data and stay as they are."""
        return FilledShot(_fill(self.prompt, caption), _fill(self.answer, caption))


@cache
def shipped_shot_pairs() -> tuple[ShotPair, ...]:
    """The pairs written for this toolkit, in the order of their ids."""
    text = (files("vargpt_datagen.pools") / "shot_pairs.jsonl").read_text(encoding="utf-8")
    return tuple(ShotPair(**json.loads(line)) for line in text.splitlines())


def _fill(form: str, caption: str) -> str:
    before, slot, after = _cut_at_slot(form)
    return f"{before}{_READINGS[slot](caption)}{after}"


_READINGS: dict[str, Callable[[str], str]] = {
    "caption": str,
    "phrase": noun_phrase_of,
    "subject": lambda caption: subject_of(noun_phrase_of(caption)),
}


class _CutForm(NamedTuple):
    before: str
    slot: str
    after: str


@cache
def _cut_at_slot(form: str) -> _CutForm:
    before, _, rest = form.partition("{")
    slot, _, after = rest.partition("}")
    return _CutForm(before, slot, after)
