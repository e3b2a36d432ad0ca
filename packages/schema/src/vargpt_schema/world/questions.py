"""Questions about a scene with their only answer, asked so that no constant answer does well."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

from vargpt_schema.world.hashing import mixed
from vargpt_schema.world.scene import Scene, WorldObject, relations_between, scene_at, split_of
from vargpt_schema.world.vocabulary import COLOURS, RELATIONS, SHAPES, SIZES, WITHHELD_PAIRS

QuestionKind = Literal[
    "background", "shape", "colour", "size", "position", "count", "existence", "relation"
]
Item = TypeVar("Item")


class Question(NamedTuple):
    """A question with a short answer: words of the vocabulary, a digit, "yes" or "no"."""

    kind: QuestionKind
    question: str
    answer: str


def questions_at(index: int) -> tuple[Question, ...]:
    """One question of every kind that the scene allows; relations need two objects."""
    scene = scene_at(index)
    dice = _Dice(index)
    thing = dice.choose(scene.objects)
    found = [
        _background(scene, dice),
        _shape(scene, thing, dice),
        _colour(scene, thing, dice),
        _size(scene, thing, dice),
        _position(scene, thing, dice),
        _count(scene, dice),
        _existence(scene, thing, dice, may_ask_withheld=split_of(index) == "withheld"),
    ]
    if len(scene.objects) == 2:
        found.append(_relation(scene, dice))
    return tuple(found)


def presence_first(questions: Sequence[Question]) -> list[Question]:
    """In an order for one conversation: whether and how often something is there comes first.

    Other questions name what they ask about, which answers these.
    """
    return sorted(questions, key=lambda question: question.kind not in ("count", "existence"))


class _Dice:
    """The choices that an index decides, in order."""

    def __init__(self, index: int) -> None:
        self._state = mixed(index ^ (5 << 60))

    def choose(self, items: Sequence[Item]) -> Item:
        self._state = mixed(self._state)
        return items[(self._state >> 8) % len(items)]


def _background(scene: Scene, dice: _Dice) -> Question:
    forms = ("what colour is the background?", "which colour does the background have?")
    return Question("background", dice.choose(forms), str(scene.background))


def _shape(scene: Scene, thing: WorldObject, dice: _Dice) -> Question:
    names = [f"at the {thing.position}"]
    if _is_alone(scene, thing.colour):
        names.append(str(thing.colour))
    form = dice.choose(("what shape is {}?", "which shape is {}?"))
    return Question("shape", form.format(dice.choose(names)), str(thing.shape))


def _colour(scene: Scene, thing: WorldObject, dice: _Dice) -> Question:
    names = [f"the shape at the {thing.position}"]
    if _is_alone(scene, thing.shape):
        names.append(f"the {thing.shape}")
    form = dice.choose(("what colour is {}?", "which colour does {} have?"))
    return Question("colour", form.format(dice.choose(names)), str(thing.colour))


def _size(scene: Scene, thing: WorldObject, dice: _Dice) -> Question:
    names = [*_names(scene, thing), f"the shape at the {thing.position}"]
    form = dice.choose(("what size is {}?", "is {} small, medium or large?"))
    return Question("size", form.format(dice.choose(names)), str(thing.size))


def _position(scene: Scene, thing: WorldObject, dice: _Dice) -> Question:
    form = dice.choose(("where is {}?", "in which part of the picture is {}?"))
    name = dice.choose(_names(scene, thing))
    return Question("position", form.format(name), str(thing.position))


def _count(scene: Scene, dice: _Dice) -> Question:
    counts = {"shapes": len(scene.objects)}
    for shape in SHAPES:
        plural = "crosses" if shape == "cross" else f"{shape}s"
        counts[plural] = sum(thing.shape == shape for thing in scene.objects)
    for word in (*COLOURS, *SIZES):
        counts[f"{word} shapes"] = sum(word in thing for thing in scene.objects)
    # Half of the scenes have one object and no answer "2", so the others give it four times in six.
    answer = dice.choose((0, 1) if len(scene.objects) == 1 else (0, 1, 2, 2, 2, 2))
    asked = dice.choose([name for name, count in counts.items() if count == answer])
    return Question("count", f"how many {asked} are there?", str(answer))


def _existence(
    scene: Scene, thing: WorldObject, dice: _Dice, *, may_ask_withheld: bool
) -> Question:
    """A "no" differs from an object in shape or colour alone, so that one look is not enough."""
    pairs = [(thing.shape, thing.colour)]
    answer = dice.choose(("yes", "no"))
    if answer == "no":
        drawn = {(other.shape, other.colour) for other in scene.objects}
        near = [(shape, thing.colour) for shape in SHAPES]
        near += [(thing.shape, colour) for colour in COLOURS]
        withheld = () if may_ask_withheld else WITHHELD_PAIRS
        pairs = [pair for pair in near if pair not in drawn and pair not in withheld]
    shape, colour = dice.choose(pairs)
    article = "an" if colour == "orange" else "a"
    form = dice.choose(("is there {} {} {}?", "does the picture show {} {} {}?"))
    return Question("existence", form.format(article, colour, shape), answer)


def _relation(scene: Scene, dice: _Dice) -> Question:
    first, second = scene.objects
    assert first.position and second.position
    true = relations_between(first.position, second.position)
    false = relations_between(second.position, first.position)
    answer = dice.choose(("yes", "no"))
    asked = [word for word in RELATIONS if word in (true if answer == "yes" else false)]
    name, other = dice.choose(_names(scene, first)), dice.choose(_names(scene, second))
    return Question("relation", f"is {name} {dice.choose(asked)} {other}?", answer)


def _is_alone(scene: Scene, word: str | None) -> bool:
    return sum(word in thing for thing in scene.objects) == 1


def _names(scene: Scene, thing: WorldObject) -> list[str]:
    """Ways to speak of one object that no other object of the scene answers to."""
    names = [f"the {thing.colour} {thing.shape}"]
    if _is_alone(scene, thing.shape):
        names.append(f"the {thing.shape}")
    if _is_alone(scene, thing.colour):
        names.append(f"the {thing.colour} shape")
    return names
