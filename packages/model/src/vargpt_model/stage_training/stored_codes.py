"""Codes of images to draw, from an `image_codes` folder, by image and view."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vargpt_model.training.checkpoints import MANIFEST, sha256_of
from vargpt_model.vargpt import VargptConfig
from vargpt_schema import IMAGE_CODES
from vargpt_schema.errors import UserError
from vargpt_schema.image_codes import read_image_codes


class StoredCodes:
    """All codes of a folder in memory, 2 bytes each; no codes without a folder."""

    def __init__(self, path: Path | None, config: VargptConfig, tokenizer_sha256: str) -> None:
        self._places: dict[str, dict[str, int]] = defaultdict(dict)  # view -> image -> row
        self._codes = np.zeros((0, config.num_image_codes), dtype=np.uint16)
        if path is not None:
            self._read(path, config, tokenizer_sha256)

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
        return None if place is None else torch.from_numpy(self._codes[place].astype(np.int64))

    def _read(self, path: Path, config: VargptConfig, tokenizer_sha256: str) -> None:
        _expect_undamaged(path)
        table, codes_config = read_image_codes(path, config.visual_decoder_config.patch_nums)
        if codes_config.tokenizer_sha256 != tokenizer_sha256:
            raise UserError(
                f"{path}: codes of image tokenizer {codes_config.tokenizer_sha256[:12]} found, the "
                f"model's is {tokenizer_sha256[:12]}. Encode the images with `vargpt encode` and "
                "the image tokenizer that `vargpt init` was given."
            )
        flat = table.column("code_ids").combine_chunks().flatten()
        codes = flat.to_numpy(zero_copy_only=False)
        if len(codes) != table.num_rows * config.num_image_codes or (
            len(codes) and codes.max() >= config.visual_decoder_config.vocab_size
        ):
            raise UserError(
                f"{path}: rows of another length or codes outside the codebook found. The files "
                "are damaged: remove them and run the same `vargpt encode` command again."
            )
        self._codes = codes.reshape(table.num_rows, -1)
        names = table.column("image").to_pylist(), table.column("crop").to_pylist()
        for place, (image, view) in enumerate(zip(*names, strict=True)):
            self._places[view][image] = place


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
