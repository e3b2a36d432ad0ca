"""Which BLIP-2 writes the captions: a folder, or a repository of the Hugging Face hub."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from vargpt_datagen.printable import printable
from vargpt_schema import UserError

DEFAULT_MODEL = "Salesforce/blip2-opt-2.7b"
_WANTED_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")  # no pickles
_HEX_DIGITS = 12


class Checkpoint(NamedTuple):
    """A BLIP-2 on this disk."""

    folder: Path
    name: str  # repository id, or the folder's name
    revision: str  # the hub's commit, or the sha256 of all files, 40 or 64 hex digits
    is_t5: bool  # its language model is an encoder and a decoder

    @property
    def captioner(self) -> str:
        """Model id and revision, as the `captions` table names who wrote a row."""
        return f"{self.name}@{self.revision[:_HEX_DIGITS]}"


def open_checkpoint(model: str, revision: str | None = None) -> Checkpoint:
    """The checkpoint of a folder, or of a repository, which is downloaded once.

    UserError where there is none, or it is another kind of model or has no safetensors.
    """
    path = Path(model)
    if path.is_dir():
        if revision is not None:
            raise UserError(
                f"--revision {revision}: {model} is a folder, revisions are of repositories on the "
                "Hugging Face hub. Leave --revision out."
            )
        language_model = _language_model(path, model)
        name, found = path.resolve().name, _sha256_of(path)
    else:
        path = _downloaded(model, revision)
        language_model = _language_model(path, model)
        name, found = model, path.name
    return Checkpoint(path, name, found, is_t5=language_model == "t5")


def _downloaded(model: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(_WANTED_FILES)))
    except HFValidationError as error:
        raise UserError(
            f"--model {printable(model)}: no such folder, and no name of a repository. Give a "
            f"folder with a BLIP-2, or a name such as {DEFAULT_MODEL}."
        ) from error
    except (OSError, ValueError) as error:  # what the hub's client raises derives from these
        reason = printable(str(error)).split("\n", 1)[0][:200]
        raise UserError(
            f"--model {printable(model)}: cannot be had from the Hugging Face hub ({reason}). "
            "Check the name and the connection, or give a folder that holds the model."
        ) from error


def _language_model(folder: Path, model: str) -> str:
    """The type of a BLIP-2's language model; UserError for anything but a BLIP-2."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        found, text_config = config.get("model_type"), config.get("text_config") or {}
        language_model = str(text_config.get("model_type", "opt"))
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"--model {printable(model)}: no readable config.json, a BLIP-2 as `save_pretrained` "
            f"writes it was expected. Give such a folder, or {DEFAULT_MODEL}."
        ) from error
    if found != "blip-2":
        raise UserError(
            f"--model {printable(model)}: a model of type {printable(repr(found))} found, 'blip-2' "
            f"was expected. Give another, such as {DEFAULT_MODEL}."
        )
    if not any(folder.glob("*.safetensors")):
        raise UserError(
            f"--model {printable(model)}: no *.safetensors found, as other formats may run code. "
            "Give a revision that has them, or convert the checkpoint."
        )
    return language_model


def _sha256_of(folder: Path) -> str:
    """Of the names and bytes of all files that a model is loaded from."""
    total = hashlib.sha256()
    files = sorted({path for pattern in _WANTED_FILES for path in folder.glob(pattern)})
    for path in files:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.name}\0{digest}\n".encode())
    return total.hexdigest()
