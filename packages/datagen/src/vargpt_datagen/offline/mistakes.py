"""What the offline writer does wrong at times: one mistake per check and per reply fault.

They show that every kind of reject is caught and replaced, in the default build and in tests.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from vargpt_datagen.offline.wording import phrase_of
from vargpt_datagen.reply import Pair


class Task(NamedTuple):
    """What a request shows: the caption to write about, other captions, directives."""

    caption: str
    shot_captions: tuple[str, ...]
    seeds: tuple[str, ...]


class Spoilt(NamedTuple):
    """A reply text with what the endpoint says of it."""

    text: str
    finish_reason: str


_CAPTION_LINE = re.compile(r"^(?:\d+\. )?Caption: (.+)$", re.MULTILINE)
_SEED_LINE = re.compile(r"^- The (?:request|scene|answer): (.+)$", re.MULTILINE)


def read_task(user_message: str) -> Task:
    *shots, caption = _CAPTION_LINE.findall(user_message)
    return Task(caption, tuple(shots), tuple(_SEED_LINE.findall(user_message)))


def _special_token(_: Task, pair: Pair) -> Pair:
    return pair._replace(answer=f"{pair.answer}<image_gen>")


def _vendor_name(_: Task, pair: Pair) -> Pair:
    return pair._replace(prompt=f"Hello ChatGPT. {pair.prompt}")


def _prompt_equals_answer(_: Task, pair: Pair) -> Pair:
    return pair._replace(answer=pair.prompt)


def _seed_copy(task: Task, pair: Pair) -> Pair:
    return pair._replace(prompt=task.seeds[0]) if task.seeds else pair


def _markup(_: Task, pair: Pair) -> Pair:
    return pair._replace(answer=f"**{pair.answer}**")


def _language(_: Task, pair: Pair) -> Pair:
    return pair._replace(answer="这是为您生成的图片。")


def _prompt_length(_: Task, pair: Pair) -> Pair:
    return pair._replace(prompt="Photo please.")


def _answer_length(_: Task, pair: Pair) -> Pair:
    return pair._replace(answer="Done.")


def _refusal(task: Task, pair: Pair) -> Pair:
    return pair._replace(answer=f"I'm sorry, but I cannot draw {phrase_of(task.caption)}.")


def _prompt_not_request(task: Task, pair: Pair) -> Pair:
    return pair._replace(prompt=f"What can you tell me about {phrase_of(task.caption)}?")


def _answer_describes_input(task: Task, pair: Pair) -> Pair:
    return pair._replace(answer=f"The image shows {phrase_of(task.caption)}.")


def _answer_promises_text(task: Task, pair: Pair) -> Pair:
    return pair._replace(answer=f"Here is the description of {phrase_of(task.caption)}.")


def _answer_follow_up(_: Task, pair: Pair) -> Pair:
    return pair._replace(answer=f"{pair.answer} Would you like another one?")


def _shot_copy(task: Task, pair: Pair) -> Pair:
    if not task.shot_captions:
        return pair
    own = set(task.caption.split())
    shot = max(task.shot_captions, key=lambda caption: len(set(caption.split()) - own))
    scene = phrase_of(shot)
    return Pair(f"Please create a photo of {scene}.", f"Here is the photo of {scene}.")


def _new_colour(task: Task, pair: Pair) -> Pair:
    colour = _first_absent(task.caption, ("turquoise", "magenta", "purple", "silver"))
    return pair._replace(prompt=f"{pair.prompt} Add a {colour} frame, please.")


def _new_number(task: Task, pair: Pair) -> Pair:
    number = _first_absent(task.caption, ("seven", "nine", "fifteen", "eleven"))
    return pair._replace(answer=f"{pair.answer.rstrip('.')} and {number} birds.")


def _prompt_off_caption(_: Task, pair: Pair) -> Pair:
    return pair._replace(prompt="Can you make an image of whatever comes to mind?")


def _answer_off_caption(_: Task, pair: Pair) -> Pair:
    return pair._replace(answer="Here is the image that somebody else dreamed of last Tuesday.")


def _first_absent(caption: str, words: tuple[str, ...]) -> str:
    return next((word for word in words if word not in caption), words[0])


def _blank(_: Pair, written: str) -> Spoilt:
    # DeepSeek's JSON mode replaces what it could not parse by spaces.
    return Spoilt(" " * min(len(written), 8), "stop")


def _malformed_json(pair: Pair, _: str) -> Spoilt:
    return Spoilt(f"Prompt: {pair.prompt}\nAnswer: {pair.answer}", "stop")


def _cut_off(_: Pair, written: str) -> Spoilt:
    return Spoilt(written[: len(written) // 2], "length")


PAIR_MISTAKES: dict[str, Callable[[Task, Pair], Pair]] = {
    "special_token": _special_token,
    "vendor_name": _vendor_name,
    "prompt_equals_answer": _prompt_equals_answer,
    "seed_copy": _seed_copy,
    "markup": _markup,
    "language": _language,
    "prompt_length": _prompt_length,
    "answer_length": _answer_length,
    "refusal": _refusal,
    "prompt_not_request": _prompt_not_request,
    "answer_describes_input": _answer_describes_input,
    "answer_promises_text": _answer_promises_text,
    "answer_follow_up": _answer_follow_up,
    "shot_copy": _shot_copy,
    "new_colour": _new_colour,
    "new_number": _new_number,
    "prompt_off_caption": _prompt_off_caption,
    "answer_off_caption": _answer_off_caption,
}
REPLY_MISTAKES: dict[str, Callable[[Pair, str], Spoilt]] = {
    "blank": _blank,
    "malformed_json": _malformed_json,
    "cut_off": _cut_off,
}
