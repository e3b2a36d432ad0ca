from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_schema.world import (
    SPLITS,
    Difference,
    Scene,
    WorldObject,
    named_scene_at,
    scene_at,
    scene_difference,
)

CIRCLE = WorldObject("circle", "red", "small", "top left")
STAR = WorldObject("star", "blue", "large", "bottom left")
SCENE = Scene("white", (CIRCLE, STAR))
INDICES = st.sampled_from(list(SPLITS.values())).flatmap(st.sampled_from)


@settings(derandomize=True, deadline=None)
@given(INDICES)
def test_a_scene_is_right_for_its_own_full_and_named_scene(index: int):
    scene = scene_at(index)
    assert scene_difference(scene, scene) == ()
    assert scene_difference(named_scene_at(index), scene) == ()
    assert scene_difference(scene, scene._replace(objects=scene.objects[::-1])) == ()


def test_no_readable_scene_is_one_difference():
    assert scene_difference(SCENE, None) == (Difference("unreadable", "picture", None, None),)


def test_a_changed_attribute_is_told_with_its_object():
    seen = Scene("white", (CIRCLE, STAR._replace(colour="purple")))
    assert scene_difference(SCENE, seen) == (
        Difference("colour", "large blue star", "blue", "purple"),
    )


def test_another_background_is_a_difference():
    assert scene_difference(SCENE, SCENE._replace(background="grey")) == (
        Difference("background", "picture", "white", "grey"),
    )


def test_objects_in_each_others_places_are_two_positions_and_a_relation():
    swapped = (CIRCLE._replace(position="bottom left"), STAR._replace(position="top left"))
    found = scene_difference(SCENE, Scene("white", swapped))
    assert [(one.kind, one.expected, one.seen) for one in found] == [
        ("position", "top left", "bottom left"),
        ("position", "bottom left", "top left"),
        ("relation", "above", "below"),
    ]


def test_a_named_relation_that_does_not_hold_is_a_difference():
    asked = Scene(
        None,
        (WorldObject("circle", None, None, None), WorldObject("star", None, None, None)),
        "below",
    )
    assert scene_difference(asked, SCENE) == (Difference("relation", "circle", "below", "above"),)
    assert scene_difference(asked._replace(relation="above"), SCENE) == ()


def test_a_missing_and_an_added_object_are_named():
    alone = Scene("white", (STAR,))
    assert scene_difference(SCENE, alone) == (
        Difference("missing", "small red circle", "small red circle", None),
    )
    assert scene_difference(alone, SCENE) == (
        Difference("added", "small red circle", None, "small red circle"),
    )


def test_objects_without_a_name_match_any_but_are_counted():
    anything = WorldObject(None, None, None, None)
    assert scene_difference(Scene(None, (anything, anything)), SCENE) == ()
    (difference,) = scene_difference(Scene(None, (anything,)), SCENE)
    assert difference.kind == "added"
    (difference,) = scene_difference(Scene(None, (anything, anything)), Scene("white", (STAR,)))
    assert (difference.kind, difference.about) == ("missing", "object")


def test_objects_are_matched_so_that_the_differences_are_fewest():
    asked = Scene(
        None, (WorldObject(None, "blue", None, None), WorldObject("circle", "red", None, None))
    )
    seen = Scene("white", (CIRCLE, STAR._replace(shape="ring")))
    assert scene_difference(asked, seen) == ()


def test_nine_drawn_objects_are_judged_too():
    crowd = tuple(CIRCLE._replace(position=place) for place in ("top right", "centre") * 4)
    found = scene_difference(Scene("white", (CIRCLE,)), Scene("white", (*crowd, CIRCLE)))
    assert [one.kind for one in found] == ["added"] * 8
