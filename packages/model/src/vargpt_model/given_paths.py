"""Paths of a command line, looked at before torch is imported: a wrong one is refused at once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vargpt_schema.errors import UserError

MODEL_TYPE = "vargpt_llava"  # of the official checkpoints' config.json


def model_config(folder: Path) -> dict[str, Any]:
    """What a VARGPT folder's `config.json` says; UserError as `config_json`."""
    remedy = "Make one with `vargpt init --preset tiny --out DIR`."
    return config_json(folder, MODEL_TYPE, "the folder of a VARGPT model", remedy)


def config_json(folder: Path, model_type: str, wanted: str, remedy: str) -> dict[str, Any]:
    """What `config.json` says; UserError for one that cannot be read or of another architecture."""
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text("utf-8"))
        kind = found.get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path}: cannot be read ({' '.join(str(error).split())}), {wanted} was expected. "
            f"{remedy}"
        ) from error
    if kind != model_type:
        raise UserError(
            f"{path}: architecture {kind!r} found, {model_type!r} expected, {wanted}. {remedy}"
        )
    return found


def expect_there(option: str, paths: Sequence[Path | None], what: str) -> None:
    """UserError for the first path that was given and is not there."""
    for path in paths:
        if path is not None and not path.exists():
            raise UserError(
                f"{option} {path}: no such file or folder found, {what} was expected. Check the "
                "path."
            )
