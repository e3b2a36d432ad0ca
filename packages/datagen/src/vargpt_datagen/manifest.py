"""The manifest: what made a build, in one JSON file that is the same for the same build."""

import json
import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vargpt_datagen.folder import MANIFEST
from vargpt_schema import UserError

FORMAT = 1
_RECORDED_PACKAGES = (
    "vargpt-schema",
    "vargpt-datagen",
    "pyarrow",
    "jinja2",
    "numpy",
    "rapidfuzz",
    "simplemma",
)


def versions() -> dict[str, str]:
    """Versions of what can change a build's bytes."""
    found = {name: version(name) for name in _RECORDED_PACKAGES}
    return {"python": platform.python_version(), **found}


def command_line(verb: str, config: dict[str, Any], defaults: dict[str, Any]) -> str:
    """The command that makes this build again, without its folder."""
    words = ["datagen", verb]
    for name, value in config.items():
        if name in defaults and value != defaults[name]:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return " ".join(words)


def sorted_counts(counts: Counter[str]) -> dict[str, int]:
    """Counts with the largest first, equal ones by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a published build; UserError when there is none that can be used."""
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
        found = manifest["format"]
        for file in manifest["files"]:
            _ = file["path"], file["size_bytes"], file["sha256"]
        _ = manifest["config"], manifest["counts"]["rows"], manifest["counts"]["rejects"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: damaged ({error!r}), a manifest was expected. "
            "Run the command that builds the folder once more."
        ) from error
    if found != FORMAT:
        raise UserError(
            f"{path}: manifest format {found} found, this release reads {FORMAT}. "
            "Install the release that wrote it, or build again."
        )
    return manifest
