"""Paths of a command line, looked at before torch is imported: a wrong one is refused at once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vargpt_schema.errors import UserError

MODEL_TYPE = "vargpt_llava"  # of the official checkpoints' config.json


def model_config(folder: Path) -> dict[str, Any]:
    """What a model folder's `config.json` says; UserError for another architecture."""
    path = folder / "config.json"
    try:
        found = json.loads(path.read_text("utf-8"))
        kind = found.get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path}: cannot be read ({' '.join(str(error).split())}), the folder of a VARGPT "
            "model was expected. Make one with `vargpt init --preset tiny --out DIR`."
        ) from error
    if kind != MODEL_TYPE:
        raise UserError(
            f"{path}: architecture {kind!r} found, {MODEL_TYPE!r} expected. Make a "
            "VARGPT model with `vargpt init`."
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
