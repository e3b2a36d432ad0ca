"""Codes of images to draw: mapped into memory, not held by every process."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from vargpt_model.stage_training.stored_codes import StoredCodes, mapped_file, unpack_codes
from vargpt_model.vargpt.presets import preset_7b
from vargpt_schema import IMAGE_CODES, CodesConfig, UserError

NUM_SHARDS, ROWS_PER_SHARD, LENGTH = 8, 5_000, 680
CODES_BYTES = NUM_SHARDS * ROWS_PER_SHARD * LENGTH * 2


def save_codes(folder: Path, num_shards: int, rows: int, *, highest: int = 4095) -> np.ndarray:
    """Random codes of images 0.png, 1.png, ... as `vargpt encode` leaves them: (images, 680)"""
    config = preset_7b()
    made = CodesConfig(
        patch_nums=config.visual_decoder_config.patch_nums,
        vocab_size=4096,
        image_size_px=256,
        tokenizer_sha256="f" * 64,
    )
    codes = np.random.default_rng(0).integers(0, highest + 1, (num_shards * rows, LENGTH), "u2")
    for shard in range(num_shards):
        own = codes[shard * rows : (shard + 1) * rows]
        offsets = pa.array(np.arange(rows + 1) * LENGTH, pa.int32())
        columns = {
            "image": [f"{shard * rows + row}.png" for row in range(rows)],
            "crop": ["centre"] * rows,
            "code_ids": pa.ListArray.from_arrays(offsets, own.reshape(-1)),
        }
        IMAGE_CODES.write(
            pa.table(columns).cast(IMAGE_CODES.schema),
            folder / "data" / f"{shard:05d}.parquet",
            file_metadata={
                "patch_nums": str(list(made.patch_nums)),
                "vocab_size": str(made.vocab_size),
                "image_size_px": str(made.image_size_px),
                "tokenizer_sha256": made.tokenizer_sha256,
            },
        )
    return codes


def own_memory_bytes() -> int:
    """Memory of this process that no file stands behind."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def test_codes_are_mapped_and_only_names_are_held(tmp_path: Path):
    codes = save_codes(tmp_path / "codes", NUM_SHARDS, ROWS_PER_SHARD)
    mapped = mapped_file(tmp_path / "codes", tmp_path / "cache")
    unpack_codes(tmp_path / "codes", preset_7b(), "f" * 64, mapped)
    before_bytes = own_memory_bytes()
    stored = StoredCodes(tmp_path / "codes", mapped)
    for row in range(0, len(codes), 7):
        read = stored.of(f"{row}.png", "centre")
        assert read is not None
        assert np.array_equal(read.numpy(), codes[row])
    assert own_memory_bytes() - before_bytes < CODES_BYTES // 2
    assert stored.of("0.png", "whole") is None


def test_codes_are_unpacked_once_and_again_when_a_shard_changes(tmp_path: Path):
    save_codes(tmp_path / "codes", 2, 3)
    mapped = mapped_file(tmp_path / "codes", tmp_path / "cache")
    unpack_codes(tmp_path / "codes", preset_7b(), "f" * 64, mapped)
    made_at = mapped.stat().st_mtime_ns
    unpack_codes(tmp_path / "codes", preset_7b(), "f" * 64, mapped)
    assert mapped.stat().st_mtime_ns == made_at
    save_codes(tmp_path / "codes", 3, 3)
    assert mapped_file(tmp_path / "codes", tmp_path / "cache") != mapped


def test_codes_outside_the_codebook_leave_no_file(tmp_path: Path):
    save_codes(tmp_path / "codes", 1, 3, highest=60_000)
    mapped = mapped_file(tmp_path / "codes", tmp_path / "cache")
    with pytest.raises(UserError, match=r"00000.parquet: rows of another length or codes outside"):
        unpack_codes(tmp_path / "codes", preset_7b(), "f" * 64, mapped)
    assert not list((tmp_path / "cache").iterdir())
