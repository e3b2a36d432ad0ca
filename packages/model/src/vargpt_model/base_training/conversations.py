"""What the stand-ins read: captions and questions, with and without a picture.

Nothing here asks for a drawing; that is for the stages to teach.
"""

import random
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from vargpt_schema import IMAGE, Message
from vargpt_schema.world import (
    SPLITS,
    Question,
    QuestionKind,
    caption_at,
    named_scene_at,
    presence_first,
    questions_at,
    scene_at,
)

MAX_QUESTIONS = 3  # in one conversation
TextKind = Literal["caption", "repeat", "questions"]
TEXT_KINDS: tuple[TextKind, ...] = get_args(TextKind)
TEXT_KIND_WEIGHTS = (3, 2, 5)
SHORT_ANSWER_FRAC = 0.3
SHORT_ANSWER = "Answer the question using a single word or phrase."  # LLaVA-1.5's words
# How often a kind is asked, the others 1: whether a thing is there is learned last, as a word of
# the question and a part of the picture have to be compared; colours and places come early.
KIND_WEIGHTS: Mapping[QuestionKind, float] = {
    "background": 0.25,
    "colour": 0.5,
    "position": 0.5,
    "count": 3,
    "existence": 3,
}
DESCRIBE = ("Describe the image.", "What does this picture show?", "What is in the picture?")
REPEAT = ("Repeat this sentence: {}", "Say again: {}", "{} Repeat that.")


class Conversation(NamedTuple):
    """Turns; or, where there are none, a text by itself."""

    messages: tuple[Message, ...]
    text: str = ""


def text_conversation(dice: random.Random, kind: TextKind, num_questions: int) -> Conversation:
    """A caption, a caption to repeat, or questions about what a caption says, of any scene."""
    index = _fully_told(dice)
    caption = caption_at(index)
    if kind == "caption":
        return Conversation((), caption)
    if kind == "repeat":
        asked = dice.choice(REPEAT).format(caption)
        return Conversation((Message("user", asked), Message("assistant", caption)))
    return Conversation(
        _questions(index, dice, num_questions, f"The picture shows this: {caption}.\n")
    )


def picture_questions(index: int, dice: random.Random, num_questions: int) -> Conversation:
    """Questions about a scene's picture."""
    return Conversation(_questions(index, dice, num_questions, f"{IMAGE}\n"))


def picture_description(index: int, dice: random.Random) -> Conversation:
    """A request to describe a scene's picture, and its caption."""
    asked = f"{IMAGE}\n{dice.choice(DESCRIBE)}"
    caption = caption_at(index)
    answer = caption if dice.random() < 0.5 else f"{caption.capitalize()}."
    return Conversation((Message("user", asked), Message("assistant", answer)))


def _questions(
    index: int, dice: random.Random, num_questions: int, before: str
) -> tuple[Message, ...]:
    asked = presence_first(_chosen(index, dice, num_questions))
    is_capital = dice.random() < 0.5
    after = f"\n{SHORT_ANSWER}" if dice.random() < SHORT_ANSWER_FRAC else ""
    messages = []
    for question in asked:
        words = question.question.capitalize() if is_capital else question.question
        messages += [
            Message("user", f"{before}{words}{after}"),
            Message("assistant", question.answer),
        ]
        before = after = ""
    return tuple(messages)


def _chosen(index: int, dice: random.Random, count: int) -> list[Question]:
    """Questions about a scene, of different kinds, in any order."""
    # The largest of u ** (1 / weight) are a weighted sample without replacement (Efraimidis, 2006).
    keys = {
        question: dice.random() ** (1 / KIND_WEIGHTS.get(question.kind, 1))
        for question in questions_at(index)
    }
    return sorted(keys, key=lambda question: keys[question], reverse=True)[:count]


def _fully_told(dice: random.Random) -> int:
    """A training scene whose caption names all that it has, so that questions have answers."""
    while True:
        index = dice.choice(SPLITS["train"])
        if named_scene_at(index) == scene_at(index):
            return index
