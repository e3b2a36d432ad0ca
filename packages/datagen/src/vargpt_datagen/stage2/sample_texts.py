"""What the sample world's copies of LLaVA-1.5 and LLaVA-OneVision say: true of their pictures."""

from collections.abc import Sequence

from vargpt_datagen.world.tables import SHORT_ANSWER
from vargpt_schema.world import BACKGROUNDS, COLOURS, SHAPES, caption_at, questions_at
from vargpt_schema.world.hashing import mixed

_DESCRIBE = (
    "Describe the image.",
    "What does this picture show?",
    "Give a short description of the picture.",
)
_CHOICES: tuple[Sequence[str], ...] = (BACKGROUNDS, SHAPES, COLOURS)  # of the first three kinds
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

Said = list[dict[str, str]]  # turns as LLaVA stores them


def said(*texts: str) -> Said:
    """Turns of a person and the model, the person first."""
    return [
        {"from": ("human", "gpt")[place % 2], "value": text} for place, text in enumerate(texts)
    ]


def question_turns(index: int, num_questions: int) -> Said:
    """Questions about a scene with short answers, the picture before the first."""
    questions = questions_at(index)
    first = mixed(index ^ (11 << 50)) % len(questions)
    asked = [questions[(first + place) % len(questions)] for place in range(num_questions)]
    texts = [text for each in asked for text in (each.question.capitalize(), each.answer)]
    texts[0] = f"<image>\n{texts[0]}\n{SHORT_ANSWER}"
    return said(*texts)


def question_before_picture(index: int) -> Said:
    """One question with the picture after it, as some rows of LLaVA-1.5 have it."""
    question = questions_at(index)[0]
    return said(f"{question.question.capitalize()}\n<image>", question.answer)


def description_turns(index: int) -> Said:
    """A request to describe a scene, and its caption."""
    asked = _DESCRIBE[mixed(index ^ (13 << 50)) % len(_DESCRIBE)]
    return said(f"<image>\n{asked}", f"{caption_at(index).capitalize()}.")


def choice_turns(index: int) -> Said:
    """A question with four lettered choices, one of which is the answer."""
    question, words = list(zip(questions_at(index), _CHOICES, strict=False))[
        mixed(index ^ (17 << 50)) % len(_CHOICES)
    ]
    first = mixed(index ^ (43 << 50)) % len(words)
    turned = (*words[first:], *words[:first])
    others = [word for word in turned if word != question.answer][:3]
    place = mixed(index ^ (19 << 50)) % (len(others) + 1)
    offered = [*others[:place], question.answer, *others[place:]]
    listed = "\n".join(
        f"{letter}. {choice}" for letter, choice in zip("ABCD", offered, strict=False)
    )
    return said(
        f"<image>\n{question.question.capitalize()}\n{listed}\n"
        "Answer with the option's letter from the given choices directly.",
        "ABCD"[place],
    )


def language_turns(number: int, num_requests: int) -> Said:
    """Work with sentences about scenes, without a picture."""
    texts: list[str] = []
    for place in range(num_requests):
        sentence = caption_at(mixed(number * 8 + place) % 1_000_000)
        words = sentence.split()
        request, answer = (
            (f'Write "{sentence}" in capital letters.', sentence.upper()),
            (f'How many words are in "{sentence}"?', f"It has {len(words)} words."),
            (f'What is the last word of "{sentence}"?', f'The last word is "{words[-1]}".'),
            (f'Put the words of "{sentence}" in alphabetical order.', " ".join(sorted(words))),
        )[mixed(number * 8 + place + (23 << 50)) % 4]
        texts += [request, answer]
    return said(*texts)


def arithmetic_turns(number: int) -> Said:
    """A sum about shapes, without a picture."""
    left, right = mixed(number) % 6, mixed(number ^ (29 << 50)) % 5
    return said(
        f"A picture has {_NUMBERS[left]} circles and {_NUMBERS[right]} squares. How many shapes is "
        "that?",
        f"{left} + {right} = {left + right}, so {_NUMBERS[left + right]}.",
    )
