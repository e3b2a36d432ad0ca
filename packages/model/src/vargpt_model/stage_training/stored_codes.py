"""Codes of images to draw, from an `image_codes` folder, by image and view."""

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from vargpt_model.training.checkpoints import MANIFEST, sha256_of, write_file
from vargpt_model.training.manifest import names_sha256
from vargpt_model.vargpt import VargptConfig
from vargpt_schema import IMAGE_CODES
from vargpt_schema.errors import UserError
from vargpt_schema.image_codes import read_codes_config


class StoredCodes:
    """Codes of a folder in a file that all processes of a machine map into memory together.

    Only names are held by each of them. No codes without a folder.
    """

    def __init__(self, path: Path | None, mapped: Path | None) -> None:
        self.path = path
        self._places: dict[str, dict[str, int]] = defaultdict(dict)  # view -> image -> row
        self._codes: NDArray[np.uint16] | None = None
        if path is None or mapped is None:
            return
        self._codes = np.load(mapped, mmap_mode="r")
        names = IMAGE_CODES.read(path, ["image", "crop"])
        columns = names.column("image").to_pylist(), names.column("crop").to_pylist()
        for place, (image, view) in enumerate(zip(*columns, strict=True)):
            self._places[sys.intern(view)][image] = place

    @property
    def views(self) -> list[str]:
        """Which views of images there are."""
        return sorted(self._places)

    @property
    def num_random_views(self) -> int:
        """Random crops of an image: random-0 to random-(n - 1); 0 without any."""
        return sum(view.startswith("random-") for view in self._places)

    def of(self, image: str, view: str) -> Tensor | None:
        """(L,) int64, or None where the folder lacks this view of the image."""
        place = self._places.get(view, {}).get(image)
        if place is None or self._codes is None:
            return None
        return torch.from_numpy(self._codes[place].astype(np.int64))


def mapped_file(path: Path, cache_folder: Path) -> Path:
    """Where the codes of a folder lie unpacked; another file for other shards."""
    shards = [(file.name, file.stat()) for file in IMAGE_CODES.files(path)]
    said = [f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in shards]
    return cache_folder / f"codes-{names_sha256(said)[:16]}.npy"


def unpack_codes(path: Path, config: VargptConfig, tokenizer_sha256: str, mapped: Path) -> None:
    """Check a folder's codes and write them to `mapped`, a shard at a time, if it is not there.

    UserError for damaged shards and for codes of another image tokenizer than the model's.
    """
    _expect_undamaged(path)
    found = read_codes_config(path, config.visual_decoder_config.patch_nums)
    if found.tokenizer_sha256 != tokenizer_sha256:
        raise UserError(
            f"{path}: codes of image tokenizer {found.tokenizer_sha256[:12]} found, those of the "
            f"model's, {tokenizer_sha256[:12]}, were expected. Encode the images again: "
            "`vargpt encode` with the image tokenizer that `vargpt init` was given."
        )
    if not mapped.exists():
        write_file(mapped, lambda temporary: _unpack(path, config, temporary))


def _unpack(path: Path, config: VargptConfig, file: Path) -> None:
    shards = IMAGE_CODES.files(path)
    length, vocab_size = config.num_image_codes, config.visual_decoder_config.vocab_size
    num_rows = sum(pq.read_metadata(shard).num_rows for shard in shards)
    with file.open("wb") as unpacked:
        header = {"descr": "<u2", "fortran_order": False, "shape": (num_rows, length)}
        np.lib.format.write_array_header_1_0(unpacked, header)
        for shard in shards:
            table = IMAGE_CODES.read(shard, ["code_ids"])
            flat = table.column("code_ids").combine_chunks().flatten()
            codes = flat.to_numpy(zero_copy_only=False)
            if len(codes) != table.num_rows * length or (len(codes) and codes.max() >= vocab_size):
                raise UserError(
                    f"{shard}: rows of another length or codes outside the codebook found, "
                    f"{length} codes below {vocab_size:,} a row were expected. The "
                    "file is damaged: remove it and run the same `vargpt encode` command again."
                )
            unpacked.write(codes.astype("<u2").tobytes())


def _expect_undamaged(path: Path) -> None:
    """UserError for a shard that differs from the folder's manifest; Parquet has no checksums."""
    manifest = path / MANIFEST
    if not manifest.is_file():
        return
    try:
        listed = json.loads(manifest.read_text("utf-8"))["shards"]
        expected = {name: facts["sha256"] for name, facts in listed.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{manifest}: cannot be read ({error}), the manifest of `vargpt encode` was expected. "
            "Run the same `vargpt encode` command again."
        ) from error
    found = {file.name: file for file in IMAGE_CODES.files(path)}
    for name, sha256 in expected.items():
        if name not in found or sha256_of(found[name]) != sha256:
            fault = "is missing" if name not in found else "has another sha256 than listed"
            raise UserError(
                f"{path}: shard {name} {fault}, {len(expected)} whole shards were expected. Remove "
                "it if it is there, and run the same `vargpt encode` command again."
            )
