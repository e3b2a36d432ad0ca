"""Tables about scenes of the sample world: captions, questions with answers, prompts to draw."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import pyarrow as pa

from vargpt_datagen.eval_rows import prompt_rows
from vargpt_datagen.template_rows import combined, filled
from vargpt_datagen.wording_templates import shipped_templates
from vargpt_schema import CAPTIONS, INSTRUCT, InstructRecord, UserError
from vargpt_schema.conversation import Message
from vargpt_schema.instruct import sample_id_of
from vargpt_schema.world import (
    SPLITS,
    Question,
    Split,
    caption_at,
    class_name,
    image_id,
    image_path,
    label_at,
    named_scene_at,
    presence_first,
    questions_at,
    scene_at,
    split_of,
)

CAPTIONER = "vargpt-sample-world"
SHORT_ANSWER = "Answer the question using a single word or phrase."


def chosen_indices(
    split: Split, count: int, *, num_objects: int | None = None, full_captions: bool = False
) -> Sequence[int]:
    """The first scenes of a split; with `num_objects` (1 or 2) or captions that name everything.

    UserError when the split has fewer.
    """
    indices = SPLITS[split]
    if count < 1 or count > len(indices):
        raise _too_many(count, len(indices), split)
    if num_objects is None and not full_captions:
        return indices[:count]
    found = list(islice(_matching(indices, num_objects, full_captions), count))
    if len(found) < count:
        raise _too_many(count, len(found), split)
    return found


def captions_table(indices: Sequence[int]) -> pa.Table:
    """The `captions` table of these scenes."""
    captions = [caption_at(index) for index in indices]
    labels = [label_at(index) for index in indices]
    columns = {
        "image_id": [image_id(index) for index in indices],
        "image": [image_path(index) for index in indices],
        "split": [split_of(index) for index in indices],
        "label": labels,
        "wnid": [None] * len(indices),
        "class_name": [None if label is None else class_name(label) for label in labels],
        "caption_raw": captions,
        "caption": captions,
        "captioner": [CAPTIONER] * len(indices),
        "quality_flags": [[]] * len(indices),
    }
    return pa.table(columns, schema=CAPTIONS.schema)


def questions_table(indices: Sequence[int]) -> pa.Table:
    """An `instruct` table with every question about these scenes, one a row."""
    return INSTRUCT.from_records(
        [
            _asked(index, f"world/{each.kind}", [each])
            for index in indices
            for each in questions_at(index)
        ]
    )


def dialogues_table(indices: Sequence[int]) -> pa.Table:
    """An `instruct` table with all questions about a scene in one conversation, as LLaVA has them.

    Each conversation begins with another of them, in turn, but for questions of presence, which
    the others would answer.
    """
    rows = []
    for place, index in enumerate(indices):
        questions = questions_at(index)
        first = place % len(questions)
        turned = [*questions[first:], *questions[:first]]
        rows.append(_asked(index, "world", presence_first(turned)))
    return INSTRUCT.from_records(rows)


def prompts_table(indices: Sequence[int]) -> pa.Table:
    """An `eval_prompts` table: captions in the templates that no training set has, in turn."""
    captions = captions_table(indices)
    templates = shipped_templates().held_out_prompts
    chosen = np.arange(len(indices)) % len(templates)
    prompts = filled(combined(captions, "caption"), chosen, templates)
    ids = pa.array([each.template_id for each in templates]).take(pa.array(chosen))
    return prompt_rows(captions, prompts, ids, "world", split=split_of(indices[0]))


def _asked(index: int, source: str, questions: Sequence[Question]) -> InstructRecord:
    """Picture and the wish for short answers are said once, in the first turn."""
    images = (image_path(index),)
    texts = [text for each in questions for text in (each.question.capitalize(), each.answer)]
    texts[0] = f"<image>\n{texts[0]}\n{SHORT_ANSWER}"
    messages = tuple(
        Message(("user", "assistant")[place % 2], text) for place, text in enumerate(texts)
    )
    return InstructRecord(
        sample_id=sample_id_of(source, image_id(index), images, messages),
        messages=messages,
        images=images,
        task="understanding",
        caption=None,
        image_id=image_id(index),
        label=label_at(index),
        wnid=None,
        source=source,
        method="template",
        prompt_seed_id=None,
        caption_seed_id=None,
        answer_seed_id=None,
        prompt_template_id=None,
        answer_template_id=None,
        shot_ids=(),
        generator=None,
        request_sha256=None,
        attempts=None,
    )


def _matching(indices: range, num_objects: int | None, full_captions: bool) -> Iterator[int]:
    for index in indices:
        scene = scene_at(index)
        has_number = num_objects is None or len(scene.objects) == num_objects
        if has_number and (not full_captions or named_scene_at(index) == scene):
            yield index


def _too_many(count: int, available: int, split: Split) -> UserError:
    return UserError(
        f"--rows: {count} found, 1 to {available} expected. Ask for fewer: the {split} split of "
        "the sample world has no more such scenes."
    )
