"""`vargpt-eval doctor`: which data and weights are there, and how to get the rest."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_eval.benchmark.manifest import Benchmark, benchmarks
from vargpt_eval.benchmark.rows import data_files
from vargpt_eval.counted import counted
from vargpt_eval.generation.known_files import (
    CLIP_FOLDERS,
    DINOV2_FOLDER,
    DINOV2_ID,
    INCEPTION_FILES,
    INCEPTION_SHA256,
    INCEPTION_SOURCE,
    REFERENCE_FILE,
    REFERENCE_SOURCE,
)
from vargpt_eval.hashes import file_sha256


class Finding(NamedTuple):
    """One benchmark, or one file or folder of weights."""

    name: str
    is_good: bool
    found: str
    next_step: str  # empty where all is there


def examine(data: Path | None, weights: Path | None, *, with_hashes: bool) -> list[Finding]:
    """Every benchmark below `data`, every file of the metrics below `weights`."""
    found: list[Finding] = []
    if data is not None:
        found += [_benchmark(one, data, with_hashes=with_hashes) for one in benchmarks().values()]
    if weights is not None:
        found += [_inception(weights), _reference(weights, with_hashes=with_hashes)]
        folders = {**CLIP_FOLDERS, DINOV2_FOLDER: DINOV2_ID}
        found += [
            _model_folder(weights / name, hub_id, with_hashes=with_hashes)
            for name, hub_id in folders.items()
        ]
    return found


def _benchmark(benchmark: Benchmark, data: Path, *, with_hashes: bool) -> Finding:
    files = data_files(benchmark, data)
    how = benchmark.how_to_get(data)
    if benchmark.hub:
        how += f" (older id: {benchmark.hub[0]})"
    if not files:
        return Finding(benchmark.name, False, "absent", how)
    if benchmark.name == "world_questions":
        return Finding(benchmark.name, True, counted(len(files), "picture"), "")
    held = sorted((data / benchmark.folder).glob(benchmark.files))
    try:
        rows = sum(pq.read_metadata(file).num_rows for file in held)
    except (pa.ArrowInvalid, OSError) as error:
        return Finding(benchmark.name, False, f"unreadable: {str(error).splitlines()[0]}", how)
    text = f"{counted(rows, 'row')} in {counted(len(held), 'file')}"
    text += _hash_text(files, with_hashes=with_hashes)
    if benchmark.image_files and len(files) == len(held):
        return Finding(benchmark.name, False, f"{text}; no {benchmark.image_files}", how)
    if benchmark.num_rows is not None and rows != benchmark.num_rows:
        return Finding(benchmark.name, False, f"{text}; {benchmark.num_rows:,} expected", how)
    return Finding(benchmark.name, True, text, "")


def _inception(weights: Path) -> Finding:
    how = f"download {' or '.join(INCEPTION_FILES)} from {INCEPTION_SOURCE} into {weights}"
    for name in INCEPTION_FILES:
        path = weights / name
        if path.is_file():
            sha256 = file_sha256(path)
            is_good = sha256 == INCEPTION_SHA256
            text = f"{name}, sha256 {sha256[:16]}"
            wrong = f"; {INCEPTION_SHA256[:16]} expected"
            return Finding(
                "inception", is_good, text if is_good else text + wrong, "" if is_good else how
            )
    return Finding("inception", False, "absent", how)


def _reference(weights: Path, *, with_hashes: bool) -> Finding:
    path = weights / REFERENCE_FILE
    if path.is_file():
        return Finding(
            "reference", True, path.name + _hash_text([path], with_hashes=with_hashes), ""
        )
    how = (
        f"download {REFERENCE_FILE} from {REFERENCE_SOURCE} into {weights}, or make statistics of "
        "your own images with `vargpt-eval stats make`"
    )
    return Finding("reference", False, "absent", how)


def _model_folder(folder: Path, hub_id: str, *, with_hashes: bool) -> Finding:
    how = f"hf download {hub_id} --local-dir {folder}"
    try:
        kind = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        return Finding(folder.name, False, "absent", how)
    files = list(_weight_files(folder))
    if not files:
        return Finding(folder.name, False, f"{kind} without weights", how)
    return Finding(folder.name, True, kind + _hash_text(files, with_hashes=with_hashes), "")


def _weight_files(folder: Path) -> Iterator[Path]:
    for pattern in ("*.safetensors", "*.bin"):
        yield from sorted(folder.glob(pattern))


def _hash_text(files: list[Path], *, with_hashes: bool) -> str:
    if not with_hashes:
        return ""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.name} {file_sha256(file)}\n".encode())
    return f", sha256 {digest.hexdigest()[:16]}"
