"""Networks of transformers from a downloaded folder: whole, and never from a network."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from vargpt_schema import UserError


def open_pretrained(model_class: Any, folder: Path, *, title: str, hub_id: str) -> Any:
    """In float32. UserError for a folder of another model, and for one that lacks a weight.

    transformers itself takes a name that is no folder for one on the hub, and draws weights that
    are absent at random.
    """
    model_type = model_class.config_class.model_type
    found = _model_type(folder)
    if found != model_type:
        raise _refused(folder, f"{found} found", title, hub_id)
    try:
        model, loading = model_class.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
    except (ValueError, OSError, RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise _refused(folder, f"cannot be loaded ({reason})", title, hub_id) from error
    missing = sorted(loading["missing_keys"])
    if missing:
        found = f"{len(missing)} of its weights missing, the first {missing[0]}"
        raise _refused(folder, found, title, hub_id)
    return model


def weights_sha256(folder: Path) -> str:
    """Of all weight files of a folder, in name order."""
    digest = hashlib.sha256()
    for path in sorted((*folder.glob("*.safetensors"), *folder.glob("*.bin"))):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _model_type(folder: Path) -> str:
    try:
        held = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return "no config.json"
    model_type = held.get("model_type") if isinstance(held, dict) else None
    return f"{model_type}" if model_type else "a config.json without a model_type"


def _refused(folder: Path, found: str, title: str, hub_id: str) -> UserError:
    return UserError(
        f"{folder}: {found}, the folder of a {title} model expected. Get one with `hf download "
        f"{hub_id} --local-dir DIR`."
    )
