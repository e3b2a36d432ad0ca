"""What a stage-2 build's manifest holds beyond every build's."""

from collections.abc import Callable, Mapping
from typing import Any

from vargpt_datagen.stage2.mixture import CATEGORIES, PARTS


def manifest_fault(manifest: Mapping[str, Any]) -> str | None:
    """The first part that is missing or not of its type; None for a manifest that can be used."""
    for name, is_good in _PARTS.items():
        if not is_good(manifest.get(name)):
            return f"{name} is not what a stage-2 build writes there"
    return None


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_counts(value: object, names: tuple[str, ...] = ()) -> bool:
    return (
        isinstance(value, dict)
        and all(name in value for name in names)
        and all(map(_is_count, value.values()))
    )


def _is_mixture(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(line, dict)
        and line.get("part") in PARTS
        and line.get("category") in CATEGORIES
        and isinstance(line.get("source"), str)
        and _is_count(line.get("rows"))
        for line in value
    )


def _are_inputs(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    onevision, instruct = value.get("onevision"), value.get("instruct")
    return (
        isinstance(onevision, dict)
        and isinstance(onevision.get("weights"), str)
        and isinstance(instruct, dict)
        and isinstance(instruct.get("name"), str)
        and isinstance(instruct.get("config"), dict)
    )


def _are_parts(value: object) -> bool:
    names = ("wanted", "rows", "rejects", "available")
    return isinstance(value, dict) and all(_are_counts(value.get(part), names) for part in PARTS)


_PARTS: dict[str, Callable[[object], bool]] = {
    "config": lambda value: isinstance(value, dict) and _is_count(value.get("rows")),
    "inputs": _are_inputs,
    "parts": _are_parts,
    "mixture": _is_mixture,
    "categories": lambda value: _are_counts(value, CATEGORIES),
    "tasks": _are_counts,
    "changes": _are_counts,
    "pictures": lambda value: _are_counts(value, ("unusable", "misnamed")),
    "overlap": lambda value: _are_counts(
        value, ("same_image_and_request", "same_text", "repeated_in_llava")
    ),
    "counts": lambda value: _are_counts(value, ("rows", "rejects", "short_rows")),
    "rejects_by_reason": _are_counts,
}
