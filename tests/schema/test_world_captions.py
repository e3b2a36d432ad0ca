import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_schema.world import (
    BACKGROUNDS,
    COLOURS,
    POSITIONS,
    SHAPES,
    SIZES,
    SPLITS,
    Scene,
    WorldObject,
    caption_at,
    named_scene_at,
    relations_between,
    scene_at,
)

INDICES = st.sampled_from(list(SPLITS.values())).flatmap(st.sampled_from)
TRAIN = SPLITS["train"]

GROUND = re.compile(rf"({'|'.join(BACKGROUNDS)}) background")
PLACE = re.compile("|".join(sorted(POSITIONS, key=len, reverse=True)))
RELATION = re.compile("left of|right of|above|below")
# An object: its words in this order, each of them optional, after an article.
OBJECT = re.compile(
    rf"(?:a|an|one|single)((?: (?:{'|'.join(SIZES)}))?(?: (?:{'|'.join(COLOURS)}))?)"
    rf" ({'|'.join(SHAPES)}|shape)\b"
)


def objects_read_from(text: str) -> list[WorldObject]:
    """The objects that a caption names, by a parser that knows no wording."""
    found = []
    places = PLACE.findall(text)
    for number, match in enumerate(OBJECT.finditer(text)):
        words = [*match[1].split(), match[2]]

        def one_of(vocabulary: tuple[str, ...], words: list[str] = words) -> str | None:
            return next((word for word in words if word in vocabulary), None)

        place = places[number] if places else None
        found.append(WorldObject(one_of(SHAPES), one_of(COLOURS), one_of(SIZES), place))  # pyright: ignore[reportArgumentType]
    if not found and text.startswith("two shapes"):
        found = [WorldObject(None, None, None, None)] * 2
    return found


def scene_read_from(text: str) -> Scene:
    ground = GROUND.search(text)
    text = GROUND.sub("", text)
    objects = objects_read_from(text)
    relation = RELATION.search(PLACE.sub("", text))
    shown = None
    if relation and all(thing.position is None for thing in objects):
        shown = relation[0]
    return Scene(ground[1] if ground else None, tuple(objects), shown)  # pyright: ignore[reportArgumentType]


@settings(derandomize=True, deadline=None, max_examples=1_000)
@given(INDICES)
def test_the_named_scene_is_exactly_what_the_caption_says(index: int):
    read, named = scene_read_from(caption_at(index)), named_scene_at(index)
    assert read.background == named.background
    assert read.relation == named.relation
    assert sorted(map(repr, read.objects)) == sorted(map(repr, named.objects))


@settings(derandomize=True, deadline=None, max_examples=1_000)
@given(INDICES)
def test_the_named_scene_is_true_of_the_picture(index: int):
    scene, named = scene_at(index), named_scene_at(index)
    assert named.background in (None, scene.background)
    assert len(named.objects) == len(scene.objects)
    for thing, drawn in zip(named.objects, scene.objects, strict=True):
        assert all(value in (None, shown) for value, shown in zip(thing, drawn, strict=True))
    if named.relation:
        first, second = scene.objects
        assert first.position
        assert second.position
        assert named.relation in relations_between(first.position, second.position)


def test_three_of_four_captions_name_everything_and_the_fourth_does_not():
    for index in range(4_000):
        assert (named_scene_at(index) == scene_at(index)) == (index % 4 != 3)


def test_captions_that_state_a_relation_beside_positions_state_a_true_one():
    stated = 0
    for index in range(4_000):
        relation = RELATION.search(PLACE.sub("", caption_at(index)))
        if relation and len(scene_at(index).objects) == 2:
            first, second = scene_at(index).objects
            assert first.position
            assert second.position
            assert relation[0] in relations_between(first.position, second.position)
            stated += 1
    assert stated > 400


@settings(derandomize=True, deadline=None, max_examples=1_000)
@given(INDICES)
def test_captions_are_plain_lower_case_lines_of_4_to_24_words(index: int):
    caption = caption_at(index)
    assert re.fullmatch(r"[a-z]+(?:,? [a-z]+)*", caption)
    assert 4 <= len(caption.split()) <= 24
    assert " a o" not in f" {caption}"
    assert not re.search(r"\ban [^aeiou]", caption)


def test_the_longest_and_shortest_captions_are_reached():
    lengths = {len(caption_at(index).split()) for index in range(20_000)}
    assert (min(lengths), max(lengths)) == (4, 24)


def test_captions_stay_what_they_were_when_data_sets_were_built():
    assert caption_at(3) == "a red triangle is right of a pink heart"
    assert caption_at(15) == "a medium red square at the middle left"
    assert caption_at(3_000_000) == "one large cyan circle at the bottom left on a black background"


def test_nearly_every_two_object_scene_has_a_caption_of_its_own():
    two = [index for index in TRAIN[:40_000] if len(scene_at(index).objects) == 2]
    full = [index for index in two if index % 4 != 3]
    assert len({caption_at(index) for index in full}) > 0.995 * len(full)


def test_the_first_hundred_thousand_captions_are_four_fifths_distinct():
    assert len({caption_at(index) for index in range(100_000)}) > 80_000


@pytest.mark.slow
def test_training_has_more_than_500_000_distinct_captions():
    assert len({caption_at(index) for index in TRAIN}) > 500_000


def test_a_caption_costs_microseconds():
    started = time.process_time()
    for index in range(20_000):
        caption_at(index)
    assert (time.process_time() - started) / 20_000 < 40e-6  # about five times what it takes
