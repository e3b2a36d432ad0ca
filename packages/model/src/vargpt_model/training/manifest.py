"""Facts for manifests and for comparing a resumed run with its start."""

import hashlib
import platform
from collections.abc import Sequence
from importlib.metadata import version


def names_sha256(names: Sequence[str]) -> str:
    """Fingerprint of a list of names, in their order."""
    return hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def versions() -> dict[str, str]:
    """What computed the numbers."""
    packages = ("torch", "numpy", "pillow", "vargpt-model")
    return {"python": platform.python_version(), **{name: version(name) for name in packages}}
