"""Rows of -130K for the mixture: taken as they are, with all they say about their making."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vargpt_datagen.manifest import read_manifest
from vargpt_datagen.printable import printable
from vargpt_datagen.progress import progress
from vargpt_datagen.publishing import describe
from vargpt_datagen.stage2.conversation import Fault, Turn
from vargpt_datagen.stage2.images import ImageRoot, in_threads
from vargpt_datagen.stage2.ledger import ImageLedger
from vargpt_datagen.stage2.rows import (
    ROWS_PER_PIECE,
    Findings,
    Piece,
    Record,
    hash_of,
    picture_fault,
    reject_of,
)
from vargpt_datagen.stage2.selection import RowHash, Selected
from vargpt_schema import INSTRUCT, UserError


class InstructRows:
    """Rows of a published -130K folder, drawn evenly."""

    def __init__(
        self, folder: Path, *, image_root: ImageRoot, ledger: ImageLedger, row_hash: RowHash
    ) -> None:
        self._image_root = image_root
        self._ledger = ledger
        self._table = INSTRUCT.read(folder)
        ids = self._table.column("sample_id").to_pylist()
        self.hashes = np.array([row_hash([sample_id]) for sample_id in ids], np.uint64)
        self.fractions = np.ones(len(ids))

    def judge(self, numbers: np.ndarray) -> np.ndarray:
        """As Source.judge."""
        rows = self._table.take(pa.array(numbers)).column("images").to_pylist()
        names = sorted({name for images in rows for name in images})
        known = {
            name: picture
            for name, picture in self._ledger.known(names).items()
            if not picture.fault and self._image_root.size_bytes(name) == picture.size_bytes
        }
        unknown = [name for name in names if name not in known]
        with progress("pictures of -130K") as show:
            looked_at = in_threads(self._image_root.picture, unknown)
            for done, (name, picture) in enumerate(zip(unknown, looked_at, strict=True), start=1):
                self._ledger.note(name, picture)
                known[name] = picture
                show(done, len(unknown))
        self._ledger.commit()
        return np.array([not any(known[name].fault for name in images) for images in rows], bool)

    def pieces(self, selected: Selected, findings: Findings) -> Iterator[Piece]:
        """As Source.pieces."""
        for start in range(0, len(selected.accepted), ROWS_PER_PIECE):
            numbers = selected.accepted[start : start + ROWS_PER_PIECE]
            table = self._table.take(pa.array(numbers)).combine_chunks()
            texts = [
                hash_of(*(turn["content"] for turn in turns))
                for turns in table.column("messages").to_pylist()
            ]
            no_picture_read = np.zeros(len(numbers), np.uint64)
            yield Piece(numbers, table, no_picture_read, np.array(texts, np.uint64))
        for row in self._table.take(pa.array(selected.rejected)).to_pylist():
            findings.rejects.append(reject_of(*self._rejected(row, findings)))

    def _rejected(self, row: dict[str, Any], findings: Findings) -> tuple[Record, Fault]:
        images = tuple(row["images"])
        known = self._ledger.known(images)
        bad = next(name for name in images if known[name].fault)
        turns = [Turn(turn["role"], turn["content"]) for turn in row["messages"]]
        record = Record(row["sample_id"], row["source"], turns, images)
        return record, picture_fault(findings, bad, known[bad])


def instruct_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a published -130K folder.

    UserError when the folder is none, or its shards are not what the manifest says.
    """
    manifest = read_manifest(folder)
    if manifest["set"] != "130k":
        raise UserError(
            f"--instruct {folder}: a build of set {printable(manifest['set'])!r} found, a -130K "
            "build was expected. Give the folder that `datagen build-130k` wrote."
        )
    for file in _shards(manifest):
        path = folder / file["path"]
        if not path.is_file() or describe(path, folder)["sha256"] != file["sha256"]:
            raise UserError(
                f"--instruct {folder}: {file['path']} is not what its manifest says. Run the "
                "command that builds it again."
            )
    return manifest


def instruct_sha256(manifest: dict[str, Any]) -> str:
    """sha256 over the shards of a build, from its manifest."""
    listed = "\n".join(file["sha256"] for file in _shards(manifest))
    return hashlib.sha256(listed.encode()).hexdigest()


def _shards(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [file for file in manifest["files"] if file["path"].startswith("data/")]
