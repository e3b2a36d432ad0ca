"""Files of a published folder, against what its manifest says of them."""

from pathlib import Path
from typing import Any

from vargpt_datagen.publishing import describe


def file_faults(folder: Path, manifest: dict[str, Any], again: str) -> list[str]:
    """Files that are missing, unreadable or changed, one line each; `again` says how to mend it."""
    faults: list[str] = []
    for told in manifest["files"]:
        path = folder / told["path"]
        if not path.is_file():
            faults.append(f"{told['path']}: missing. {again}")
            continue
        try:
            found = describe(path, folder)
        except OSError as error:
            faults.append(f"{told['path']}: cannot be read ({error.strerror}). Check its rights.")
            continue
        faults += [
            f"{told['path']}: {name} is {found[name]}, the manifest says {told[name]}. {again}"
            for name in ("size_bytes", "sha256")
            if found[name] != told[name]
        ][:1]
    return faults


def foreign_faults(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Tables that the manifest does not know, one line each."""
    listed = {file["path"] for file in manifest["files"]}
    return [
        f"{name}: not in the manifest. Move it away."
        for part in ("data", "rejects", "replies")
        for path in sorted((folder / part).glob("*.parquet"))
        if (name := path.relative_to(folder).as_posix()) not in listed
    ]
