"""Table `image_codes`: one image's VQ indices. Written by `vargpt encode`, read by the trainer."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from vargpt_schema.compute import pc
from vargpt_schema.conversation import num_image_codes
from vargpt_schema.errors import UserError
from vargpt_schema.fields import TEXT, required
from vargpt_schema.table import Table, table_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageCodesRecord:
    image: str  # POSIX path relative to one image root
    crop: str  # which view of the image was encoded: centre, or the augmentation's name
    code_ids: tuple[int, ...]  # codebook rows, all scales coarse to fine; one length per file


IMAGE_CODES = Table(
    name="image_codes",
    version=1,
    record=ImageCodesRecord,
    schema=table_schema(
        "image_codes",
        1,
        [
            required("image", TEXT),
            required("crop", TEXT),
            required("code_ids", pa.list_(pa.uint16())),
        ],
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesConfig:
    """What codes mean; stored in every file's metadata."""

    patch_nums: tuple[int, ...]  # side of each scale's code map, coarse to fine
    vocab_size: int  # rows of the codebook
    image_size_px: int
    tokenizer_sha256: str  # of the image tokenizer's weights


def write_image_codes(records: Iterable[ImageCodesRecord], path: Path, config: CodesConfig) -> int:
    """Write one file; ValueError for codes of another length or outside the codebook."""
    table = IMAGE_CODES.from_records(records)
    length = num_image_codes(config.patch_nums)
    lengths = pc.list_value_length(table.column("code_ids"))
    if pc.any(pc.not_equal(lengths, length)).as_py():
        raise ValueError(f"code_ids must have {length} codes for patch_nums {config.patch_nums}")
    if pc.any(
        pc.greater_equal(pc.list_flatten(table.column("code_ids")), config.vocab_size)
    ).as_py():
        raise ValueError(f"code_ids must be below vocab_size {config.vocab_size}")
    return IMAGE_CODES.write(
        table,
        path,
        file_metadata={
            "patch_nums": json.dumps(config.patch_nums),
            "vocab_size": str(config.vocab_size),
            "image_size_px": str(config.image_size_px),
            "tokenizer_sha256": config.tokenizer_sha256,
        },
    )


def read_image_codes(path: Path, patch_nums: Sequence[int]) -> tuple[pa.Table, CodesConfig]:
    """Codes of a file or folder; UserError when their patch_nums are not the model's."""
    config = read_codes_config(path, patch_nums)
    return IMAGE_CODES.read(path), config


def read_codes_config(path: Path, patch_nums: Sequence[int]) -> CodesConfig:
    """What all codes of a file or folder were made with; UserError as `read_image_codes`."""
    configs = [_codes_config(file) for file in IMAGE_CODES.files(path)]
    for config in configs:
        if config.patch_nums != tuple(patch_nums):
            raise UserError(
                f"{path}: codes of patch_nums {config.patch_nums} found, the model has "
                f"{tuple(patch_nums)}. Encode the images again with this model."
            )
        if config != configs[0]:
            raise UserError(
                f"{path}: files of different image tokenizers or sizes found, one was expected. "
                "Encode all images with one image tokenizer."
            )
    return configs[0]


def _codes_config(file: Path) -> CodesConfig:
    metadata = IMAGE_CODES.file_metadata(file)
    try:
        return CodesConfig(
            patch_nums=tuple(json.loads(metadata["patch_nums"])),
            vocab_size=int(metadata["vocab_size"]),
            image_size_px=int(metadata["image_size_px"]),
            tokenizer_sha256=metadata["tokenizer_sha256"],
        )
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"{file}: metadata without {error} found, patch_nums, vocab_size, image_size_px and "
            "tokenizer_sha256 were expected. Encode the images again."
        ) from error
