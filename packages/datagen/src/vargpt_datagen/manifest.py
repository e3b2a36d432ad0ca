"""The manifest: what made a build, in one JSON file that is the same for the same build."""

import json
import platform
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from vargpt_datagen.folder import MANIFEST
from vargpt_schema import UserError

FORMAT = 1
_RECORDED_PACKAGES = (
    "vargpt-schema",
    "vargpt-datagen",
    "pyarrow",
    "jinja2",
    "numpy",
    "openai",
    "rapidfuzz",
    "simplemma",
)
# A listed file is opened and hashed, so it must be one of the build's own.
_FILE_PATH = re.compile(r"(?:data|rejects|replies)/[A-Za-z0-9][A-Za-z0-9._-]*\.parquet")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def versions() -> dict[str, str]:
    """Versions of what can change a build's bytes; what a build without a model lacks is said."""
    found = {name: _version(name) for name in _RECORDED_PACKAGES}
    return {"python": platform.python_version(), **found}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def command_line(verb: str, config: dict[str, Any], defaults: dict[str, Any]) -> str:
    """The command that makes this build again, without its folder."""
    words = ["datagen", verb]
    for name, value in config.items():
        if name in defaults and value != defaults[name]:
            words.append(f"--{name.replace('_', '-')}")
            words += [] if value is True else [str(value)]  # a flag has no value
    return shlex.join(words)


def sorted_counts(counts: Counter[str]) -> dict[str, int]:
    """Counts with the largest first, equal ones by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a published build, every part of the type that belongs there.

    UserError when there is none that can be used.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder, a build folder was expected. Check the path.")
    if not path.exists():
        raise UserError(
            f"{path}: missing, so this is no published build. "
            "Run the command that builds the folder once more, or check the path."
        )
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise _damaged(path, repr(error)) from error
    if not isinstance(manifest, dict) or not _is_count(manifest.get("format")):
        raise _damaged(path, "no format number")
    if manifest["format"] != FORMAT:
        raise UserError(
            f"{path}: manifest format {manifest['format']} found, this release reads {FORMAT}. "
            "Install the release that wrote it, or build again."
        )
    fault = _fault_of(manifest)
    if fault:
        raise _damaged(path, fault)
    return manifest


def _damaged(path: Path, fault: str) -> UserError:
    return UserError(
        f"{path}: damaged ({fault}), a manifest was expected. "
        "Run the command that builds the folder once more."
    )


def _fault_of(manifest: Mapping[str, Any]) -> str | None:
    for name, part in _PARTS.items():
        if name not in manifest:
            if part.is_required:
                return f"{name} is missing"
        elif not part.is_good(manifest[name]):
            return f"{name} is not {part.expected}"
    for number, file in enumerate(manifest["files"]):
        for name, is_good in _FILE_PARTS.items():
            if not isinstance(file, dict) or not is_good(file.get(name)):
                return f"files[{number}].{name} is not what a build writes there"
    paths = Counter(file["path"] for file in manifest["files"])
    repeated = [path for path, count in paths.items() if count > 1]
    return f"{repeated[0]} is listed twice" if repeated else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_counts(value: object, names: tuple[str, ...] = ()) -> bool:
    return (
        isinstance(value, dict)
        and all(name in value for name in names)
        and all(map(_is_count, value.values()))
    )


def _is_captions(value: object) -> bool:
    return (
        isinstance(value, dict)
        and _is_text(value.get("source"))
        and _is_text(value.get("captioner"))
        and _is_count(value.get("usable"))
        and _is_counts(value.get("dropped"))
    )


def _is_seeds(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("generators"), list)
        and all(map(_is_text, value["generators"]))
        and _is_counts(value.get("counts"))
    )


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_templates(value: object) -> bool:
    return (
        isinstance(value, dict)
        and _is_count(value.get("version"))
        and _is_texts(value.get("prompts"))
        and _is_texts(value.get("answers"))
    )


def _is_overlap(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    is_named = _is_text(value.get("beside")) and _is_count(value.get("found"))
    is_unnamed = value.get("beside") is None and value.get("found") is None
    counts = (value.get(name) for name in ("images", "rows_130k", "at_least"))
    return all(map(_is_count, counts)) and (is_named or is_unnamed)


def _is_money(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12


class _Part(NamedTuple):
    expected: str
    is_good: Callable[[Any], bool]
    is_required: bool = True


_PARTS = {
    "name": _Part("a text", _is_text),
    "set": _Part("a text", _is_text),
    "command": _Part("a text", _is_text),
    "config": _Part("a table of options", lambda value: isinstance(value, dict)),
    "captions": _Part("source, captioner, usable, dropped", _is_captions, is_required=False),
    "seeds": _Part("generators and counts", _is_seeds, is_required=False),
    "shot_pairs": _Part("a count", _is_count, is_required=False),
    "generators": _Part("rows by generator", _is_counts, is_required=False),
    "templates": _Part(
        "version, prompts and answers with texts by id", _is_templates, is_required=False
    ),
    "overlap_130k": _Part("counts of images shared", _is_overlap, is_required=False),
    "classes": _Part(
        "number, fewest_rows and most_rows",
        lambda value: _is_counts(value, ("number", "fewest_rows", "most_rows")),
        is_required=False,
    ),
    "counts": _Part(
        "counts with rows and rejects", lambda value: _is_counts(value, ("rows", "rejects"))
    ),
    "rejects_by_reason": _Part("rejects by reason", _is_counts, is_required=False),
    "tokens": _Part(
        "prompt, cached and completion tokens",
        lambda value: _is_counts(value, ("prompt", "cached", "completion")),
        is_required=False,
    ),
    "usd": _Part("an amount, or null where the price is unknown", _is_money, is_required=False),
    "versions": _Part(
        "versions by package",
        lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
    ),
    "files": _Part("a list", lambda value: isinstance(value, list)),
}
_FILE_PARTS: dict[str, Callable[[Any], bool]] = {
    "path": lambda value: _is_text(value) and _FILE_PATH.fullmatch(value) is not None,
    "size_bytes": _is_count,
    "sha256": lambda value: _is_text(value) and _SHA256.fullmatch(value) is not None,
}
