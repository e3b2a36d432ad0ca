from collections import Counter, defaultdict

import pytest

from vargpt_schema.world import (
    BACKGROUNDS,
    COLOURS,
    POSITIONS,
    SHAPES,
    SIZES,
    SPLITS,
    WITHHELD_PAIRS,
    Scene,
    Split,
    WorldObject,
    questions_at,
    relations_between,
    scene_at,
)

ANSWERS: dict[str, set[str]] = {
    "background": set(BACKGROUNDS),
    "shape": set(SHAPES),
    "colour": set(COLOURS),
    "size": set(SIZES),
    "position": set(POSITIONS),
    "count": {"0", "1", "2"},
    "existence": {"yes", "no"},
    "relation": {"yes", "no"},
}
SINGULAR = {"crosses": "cross", **{f"{shape}s": shape for shape in SHAPES}}


def spoken_of(scene: Scene, text: str) -> list[WorldObject]:
    """The objects that a question's words fit."""
    place = next((p for p in sorted(POSITIONS, key=len, reverse=True) if f"at the {p}" in text), "")
    words = [word.strip("?,") for word in text.replace(f"at the {place}", "").split()]
    named = [word for word in words if word in {*SHAPES, *COLOURS}]
    return [
        thing
        for thing in scene.objects
        if all(word in thing for word in named) and place in ("", thing.position)
    ]


@pytest.mark.parametrize("split", ["train", "validation", "withheld"])
def test_the_best_constant_answer_of_a_kind_is_seldom_right(split: Split):
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for index in SPLITS[split][:10_000]:
        for question in questions_at(index):
            answers[question.kind][question.answer] += 1
    for kind, counts in answers.items():
        assert set(counts) == ANSWERS[kind]
        limit = 0.55 if kind in ("existence", "relation") else 0.40
        assert max(counts.values()) / counts.total() <= limit, kind


def test_one_question_of_each_kind_is_asked_and_relations_of_two_objects_only():
    for index in range(300):
        kinds = [question.kind for question in questions_at(index)]
        expected = list(ANSWERS)[: 8 if len(scene_at(index).objects) == 2 else 7]
        assert kinds == expected


def test_attribute_questions_speak_of_one_object_and_their_answer_is_true():
    asked = 0
    for split in SPLITS.values():
        for index in split[:1_500]:
            for question in questions_at(index):
                if question.kind in ("shape", "colour", "size", "position"):
                    (thing,) = spoken_of(scene_at(index), question.question)
                    assert getattr(thing, question.kind) == question.answer, question
                    asked += 1
    assert asked == 18_000


def test_counts_existence_background_and_relations_are_true():
    for index in range(4_000):
        scene = scene_at(index)
        for kind, question, answer in questions_at(index):
            words = question.rstrip("?").split()
            if kind == "background":
                assert answer == scene.background
            elif kind == "count":
                word = next((SINGULAR.get(w, w) for w in words[2:4]), "")
                counted = [thing for thing in scene.objects if word in (*thing, "shapes")]
                assert answer == str(len(counted)), question
            elif kind == "existence":
                fits = any((t.colour, t.shape) == tuple(words[-2:]) for t in scene.objects)
                assert answer == ("yes" if fits else "no"), question
            elif kind == "relation":
                relation = next(
                    r for r in ("left of", "right of", "above", "below") if r in question
                )
                (first,), (second,) = (spoken_of(scene, t) for t in question.split(f" {relation} "))
                assert first.position
                assert second.position
                holds = relation in relations_between(first.position, second.position)
                assert answer == ("yes" if holds else "no"), question


def test_withheld_pairs_are_asked_about_in_their_own_split_alone():
    def names_withheld(index: int) -> bool:
        return any(
            f"{colour} {shape}" in question.question
            for question in questions_at(index)
            for shape, colour in WITHHELD_PAIRS
        )

    assert not any(map(names_withheld, range(5_000)))
    assert not any(map(names_withheld, SPLITS["validation"][:5_000]))
    assert sum(map(names_withheld, SPLITS["withheld"][:1_000])) > 500


def test_questions_stay_what_they_were_when_data_sets_were_built():
    assert [question.answer for question in questions_at(5)] == [
        "white", "moon", "red", "medium", "middle left", "1", "yes", "yes",
    ]  # fmt: skip
