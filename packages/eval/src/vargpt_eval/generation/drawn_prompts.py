"""What each drawn image was asked for: its instruction, and the bare caption behind it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vargpt_eval.counted import counted
from vargpt_eval.generation.image_sources import ImageEntry
from vargpt_schema import EVAL_PROMPTS, EvalPromptRecord, UserError

INSTRUCTION, CAPTION = "instruction", "caption"


class DrawnPrompts(NamedTuple):
    """Texts of drawn images, in the order of the images."""

    kinds: list[str]  # of texts that every image has
    texts: list[list[str]]  # an image's, one a kind
    num_missing: int  # prompts without an image
    by_id: dict[str, EvalPromptRecord]  # empty without a file of prompts

    def prompt_of(self, entry: ImageEntry) -> str:
        """What the model got; empty where nothing says."""
        if entry.prompt is not None:
            return entry.prompt
        return self.by_id[entry.prompt_id].prompt if entry.prompt_id in self.by_id else ""

    def caption_of(self, entry: ImageEntry) -> str:
        """The caption behind the prompt; empty without a file of prompts."""
        return self.by_id[entry.prompt_id].caption if entry.prompt_id in self.by_id else ""


def texts_of(
    entries: Sequence[ImageEntry], prompts: Path | None, *, allow_missing: bool
) -> DrawnPrompts:
    """Texts of all images; `prompts` is an `eval_prompts` table.

    UserError for doubled prompt ids, images of unknown prompts, and prompts without an image
    unless that is allowed.
    """
    if prompts is None:
        if any(entry.prompt is None for entry in entries):
            return DrawnPrompts([], [], 0, {})
        return DrawnPrompts([INSTRUCTION], [[entry.prompt or ""] for entry in entries], 0, {})
    by_id = prompts_by_id(prompts)
    unknown = next((one for one in entries if one.prompt_id not in by_id), None)
    if unknown is not None:
        raise UserError(
            f"{prompts}: no prompt {unknown.prompt_id!r} found, which image {unknown.name} was "
            "drawn for. Give the prompts that the images were drawn from."
        )
    drawn = {entry.prompt_id for entry in entries}
    missing = [prompt_id for prompt_id in by_id if prompt_id not in drawn]
    if missing and not allow_missing:
        raise UserError(
            f"{prompts}: {len(missing):,} of {counted(len(by_id), 'prompt')} without an image, the "
            f"first {missing[0]!r}; one each expected. Draw them, or count them with "
            "--allow-missing."
        )
    texts = [
        [entry.prompt or by_id[entry.prompt_id].prompt, by_id[entry.prompt_id].caption]
        for entry in entries
    ]
    return DrawnPrompts([INSTRUCTION, CAPTION], texts, len(missing), by_id)


def prompts_by_id(prompts: Path) -> dict[str, EvalPromptRecord]:
    """An `eval_prompts` table in its order. UserError for one without rows or an id twice."""
    found: dict[str, EvalPromptRecord] = {}
    for record in EVAL_PROMPTS.records(prompts):
        if record.prompt_id in found:
            raise UserError(
                f"{prompts}: prompt_id {record.prompt_id!r} found twice, one row per prompt "
                "expected. Build the prompts again."
            )
        found[record.prompt_id] = record
    if not found:
        raise UserError(f"{prompts}: no prompt found, at least one expected. Build it again.")
    return found
