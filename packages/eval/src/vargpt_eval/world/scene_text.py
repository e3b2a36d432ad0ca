"""Scenes as JSON text, the form that the samples table keeps them in."""

import json

from vargpt_schema.world import Scene, WorldObject


def scene_text(scene: Scene) -> str:
    """One line of JSON with what the scene names."""
    named = {"background": scene.background, "relation": scene.relation}
    objects = [_without_none(thing._asdict()) for thing in scene.objects]
    return json.dumps({**_without_none(named), "objects": objects})


def scene_of(text: str) -> Scene:
    """The scene of a `scene_text`."""
    found = json.loads(text)
    objects = tuple(
        WorldObject(*(thing.get(name) for name in WorldObject._fields))
        for thing in found["objects"]
    )
    return Scene(found.get("background"), objects, found.get("relation"))


def _without_none(values: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}
