"""Folders of a run as a few small files that travel between machines, and back.

STATE/state-003-<hash>-0-of-7.part    pieces of one tar; a set is whole when all are there

Weights are held as float16, those of the image tokenizer as they are: its codes flip in half
precision. A new set is complete before the old one goes, so a kill at any moment leaves one.
"""

import hashlib
import json
import re
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from vargpt_schema.errors import UserError

MAX_FILES = 8
MAX_FILE_BYTES = 15 * 2**20
FULL_PRECISION_PART = "vae_local."
_HALVED = "halved"  # key of a weight file's metadata: names of the tensors that were float32
_PART = re.compile(r"state-([0-9]{3,})-([0-9a-f]{16})-([0-9])-of-([0-9])\.part")


class _Set(NamedTuple):
    number: int  # a later set has a higher one
    sha256: str  # its first digits
    parts: list[Path]  # in order; a missing one left out
    num_parts: int

    @property
    def is_whole(self) -> bool:
        return len(self.parts) == self.num_parts


def save(work: Path, members: Sequence[str], state: Path) -> list[Path]:
    """Put these files and folders of WORK into a new set, then drop the sets before it.

    UserError for weights that float16 cannot hold, or more than `MAX_FILES` files' worth.
    """
    state.mkdir(parents=True, exist_ok=True)
    packing = work / ".packing"
    shutil.rmtree(packing, ignore_errors=True)
    packing.mkdir(parents=True)
    for name in members:
        _copy_halved(work / name, packing / "content" / name)
    archive = packing / "state.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(packing / "content", arcname=".")
    size = archive.stat().st_size
    num_parts = -(-size // MAX_FILE_BYTES)
    if num_parts > MAX_FILES:
        raise UserError(
            f"{work}: a state of {size / 2**20:.0f} MiB found, at most {MAX_FILES} files of "
            f"{MAX_FILE_BYTES // 2**20} MiB expected. Take a smaller preset."
        )
    before = _sets(state)
    number = max((one.number for one in before), default=0) + 1
    sha256 = _sha256([archive])[:16]
    parts = []
    with archive.open("rb") as whole:
        for part in range(num_parts):
            name = f"state-{number:03d}-{sha256}-{part}-of-{num_parts}.part"
            (packing / name).write_bytes(whole.read(MAX_FILE_BYTES))
            parts.append(state / name)
    for part in parts:  # between disks a plain rename is impossible, hence the second name
        shutil.move(packing / part.name, part.with_suffix(".moving"))
    for part in parts:
        part.with_suffix(".moving").replace(part)
    for old in before:
        for part in old.parts:
            part.unlink()
    for leftover in state.glob("*.moving"):
        leftover.unlink()
    shutil.rmtree(packing)
    return parts


def load(state: Path, work: Path) -> bool:
    """Unpack the newest whole set into WORK, except what is there; False where there is none.

    UserError for pieces without a whole set, or with other bytes than were written.
    """
    found = _sets(state)
    whole = [one for one in found if one.is_whole]
    if not whole:
        if found:
            lost = max(found)
            raise UserError(
                f"{state}: {len(lost.parts)} of {lost.num_parts} pieces of state {lost.number} "
                "found, all expected. Copy the others there, or delete these to start anew."
            )
        return False
    newest = max(whole)
    if _sha256(newest.parts)[:16] != newest.sha256:
        raise UserError(
            f"{state}: pieces of state {newest.number} with other bytes than were written found. "
            "Copy them again."
        )
    unpacking = work / ".unpacking"
    shutil.rmtree(unpacking, ignore_errors=True)
    unpacking.mkdir(parents=True)
    archive = unpacking / "state.tar"
    with archive.open("wb") as joined:
        for part in newest.parts:
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, joined)
    with tarfile.open(archive) as tar:
        tar.extractall(unpacking / "content", filter="data")
    # Files last: the record of what is done must not be there before what it lists.
    for top in sorted((unpacking / "content").iterdir(), key=lambda top: (top.is_file(), top.name)):
        if not (work / top.name).exists():
            for weights in sorted(top.rglob("*.safetensors")):
                _write_whole_precision(weights)
            top.replace(work / top.name)
    shutil.rmtree(unpacking)
    return True


def _sets(state: Path) -> list[_Set]:
    pieces: dict[tuple[int, str, int], list[Path]] = {}
    for path in sorted(state.glob("state-*.part")):
        named = _PART.fullmatch(path.name)
        if named is not None:
            key = (int(named[1]), named[2], int(named[4]))
            pieces.setdefault(key, []).append(path)
    return [_Set(number, sha, parts, count) for (number, sha, count), parts in pieces.items()]


def _copy_halved(source: Path, target: Path) -> None:
    if source.is_dir():
        for path in sorted(source.iterdir()):
            _copy_halved(path, target / path.name)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix != ".safetensors":
        shutil.copyfile(source, target)
        return
    tensors, halved = {}, []
    with safe_open(source, "pt") as file:
        metadata = dict(file.metadata() or {})
        is_model = any(name.startswith(FULL_PRECISION_PART) for name in file.keys())  # noqa: SIM118
        for name in file.keys():  # noqa: SIM118, it is no mapping
            tensor = file.get_tensor(name)
            is_kept = not is_model or name.startswith(FULL_PRECISION_PART)
            if tensor.dtype == torch.float32 and not is_kept:
                half = tensor.half()
                if (half.isinf() & tensor.isfinite()).any():
                    raise UserError(
                        f"{source}: {name} has values up to {tensor.abs().max():g}, at most "
                        "65,504 expected (float16). Training has diverged: lower its peak_lr."
                    )
                tensor = half
                halved.append(name)
            tensors[name] = tensor
    save_file(tensors, target, {**metadata, _HALVED: json.dumps(halved)})


def _write_whole_precision(path: Path) -> None:
    tensors = {}
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata() or {})
        halved = set(json.loads(metadata.pop(_HALVED, "[]")))
        for name in file.keys():  # noqa: SIM118
            tensor = file.get_tensor(name)
            tensors[name] = tensor.float() if name in halved else tensor
    save_file(tensors, path, metadata)


def _sha256(paths: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()
