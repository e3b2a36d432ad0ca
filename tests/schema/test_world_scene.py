from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_schema.errors import UserError
from vargpt_schema.world import (
    NUM_CLASSES,
    SPLITS,
    WITHHELD_PAIRS,
    Scene,
    WorldObject,
    class_name,
    image_id,
    image_path,
    index_of,
    label_at,
    relations_between,
    scene_at,
    split_of,
)
from vargpt_schema.world.hashing import mixed

INDICES = st.sampled_from(list(SPLITS.values())).flatmap(st.sampled_from)
TRAIN, VALIDATION, WITHHELD = SPLITS["train"], SPLITS["validation"], SPLITS["withheld"]


def pairs(scene: Scene) -> set[tuple[str | None, str | None]]:
    return {(thing.shape, thing.colour) for thing in scene.objects}


def test_the_hash_is_splitmix64():
    # First outputs of the reference generator seeded with 1234567.
    state = 1234567
    gamma = 0x9E37_79B9_7F4A_7C15
    outputs = [mixed(state + gamma * turn) for turn in range(3)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_scenes_stay_what_they_were_when_data_sets_were_built():
    assert scene_at(0) == Scene(
        "black",
        (
            WorldObject("circle", "pink", "small", "middle right"),
            WorldObject("moon", "green", "small", "bottom centre"),
        ),
    )
    assert scene_at(2_000_002) == Scene(
        "white", (WorldObject("cross", "blue", "medium", "top centre"),)
    )
    assert scene_at(3_000_000) == Scene(
        "black", (WorldObject("circle", "cyan", "large", "bottom left"),)
    )


def test_splits_have_the_sizes_of_imagenet_and_do_not_meet():
    assert [len(indices) for indices in SPLITS.values()] == [1_281_167, 50_000, 10_000]
    assert TRAIN.stop <= VALIDATION.start < VALIDATION.stop <= WITHHELD.start


@settings(derandomize=True, deadline=None)
@given(INDICES)
def test_a_scene_is_complete_and_its_two_objects_can_be_told_apart(index: int):
    scene = scene_at(index)
    assert len(scene.objects) in (1, 2)
    assert None not in (scene.background, *(value for thing in scene.objects for value in thing))
    assert scene.relation is None
    assert len(pairs(scene)) == len({thing.position for thing in scene.objects})
    assert len(pairs(scene)) == len(scene.objects)


@settings(derandomize=True, deadline=None)
@given(INDICES)
def test_withheld_pairs_are_the_first_object_of_their_split_and_nowhere_else(index: int):
    scene = scene_at(index)
    withheld = pairs(scene) & set(WITHHELD_PAIRS)
    if split_of(index) == "withheld":
        assert withheld == {(scene.objects[0].shape, scene.objects[0].colour)}
        assert label_at(index) is None
    else:
        assert withheld == set()
        assert label_at(index) in range(NUM_CLASSES)


def test_about_half_of_the_scenes_have_two_objects():
    for indices in SPLITS.values():
        two = sum(len(scene_at(index).objects) == 2 for index in indices[:10_000])
        assert 4_800 <= two <= 5_200


def test_validation_has_fifty_images_of_every_class_and_training_is_balanced():
    assert set(Counter(map(label_at, VALIDATION)).values()) == {50}
    assert set(Counter(map(label_at, TRAIN[:5_500])).values()) == {5, 6}
    assert set(Counter(map(label_at, TRAIN[-5_167:])).values()) == {5, 6}


def test_the_class_name_tells_the_first_object_and_the_background():
    names = [class_name(label) for label in range(NUM_CLASSES)]
    assert len(set(names)) == 1_000
    assert names[0] == "small red circle on a white background"
    for index in (*TRAIN[:200], *VALIDATION[:200]):
        scene = scene_at(index)
        thing = scene.objects[0]
        label = label_at(index)
        assert label is not None
        shown = f"{thing.size} {thing.colour} {thing.shape} on a {scene.background} background"
        assert names[label] == shown


def test_no_validation_scene_holds_an_object_where_training_draws_it():
    drawn = {
        (scene.background, thing)
        for scene in map(scene_at, TRAIN[:60_000])
        for thing in scene.objects
    }
    held_out = {
        (scene.background, scene.objects[0]) for scene in map(scene_at, VALIDATION[:20_000])
    }
    assert 8_000 < len(drawn) <= 8 * 56 * 3 * 6  # nearly every other place of every object
    assert len(held_out) == 1_000
    assert not drawn & held_out


def test_withheld_pairs_are_drawn_equally_often_whatever_the_caption_length():
    for short in (True, False):
        shapes = Counter(
            scene_at(index).objects[0].shape for index in WITHHELD if (index % 4 == 3) == short
        )
        assert len(shapes) == 8
        assert max(shapes.values()) - min(shapes.values()) <= 2


def test_relations_follow_from_positions():
    assert relations_between("top left", "bottom left") == {"above"}
    assert relations_between("middle right", "centre") == {"right of"}
    assert relations_between("bottom left", "top right") == {"left of", "below"}


def test_ids_and_paths_have_eight_digits():
    assert (image_id(42), image_path(42)) == ("world-00000042", "world/00000042.png")
    assert index_of("world-02000042") == 2_000_042


@pytest.mark.parametrize(
    "text",
    [
        "n01440764_10026",
        "world-42",
        "world-0000042",
        "world-000000042",
        "world-00000042.png",
        "world-01281167",
        "world-99999999",
        "world-0000004\u0662",
        "world--0000042",
        "",
    ],
)
def test_other_ids_are_a_mistake_of_the_user(text: str):
    with pytest.raises(UserError, match="an id of the sample world such as 'world-00000042'"):
        index_of(text)


@pytest.mark.parametrize("index", [-1, 1_281_167, 1_999_999, 2_050_000, 3_010_000])
def test_an_index_outside_every_split_is_refused(index: int):
    for function in (scene_at, split_of, label_at):
        with pytest.raises(ValueError, match="in no split"):
            function(index)
