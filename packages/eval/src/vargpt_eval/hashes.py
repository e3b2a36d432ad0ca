"""SHA-256 of texts and files, in hex."""

import hashlib
from pathlib import Path


def text_sha256(text: str) -> str:
    """Of its UTF-8; half of a surrogate pair, which some data sets hold, counts too."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_sha256(path: Path) -> str:
    """Of its bytes, never whole in memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
