"""Codes of images beside their class labels: `image_codes` joined with `captions` by image."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_schema import CAPTIONS
from vargpt_schema.compute import pc
from vargpt_schema.errors import UserError
from vargpt_schema.image_codes import CodesConfig, read_image_codes


class LabelledCodes(NamedTuple):
    """What a class-conditional decoder is trained on. K rows, L codes of an image."""

    code_ids: NDArray[np.uint16]  # (K, L)
    labels: NDArray[np.int64]  # (K,)
    names: Sequence[str]  # image and crop of each row
    num_unlabelled: int  # rows of codes left out, as no caption gives them a class
    config: CodesConfig


def labelled_codes(codes: Path, captions: Path, patch_nums: Sequence[int]) -> LabelledCodes:
    """Rows whose image has a label. UserError when the codes are not of `patch_nums`, or none has.

    All crops of an image share its label. Codes stay in memory, 2 bytes each.
    """
    table, config = read_image_codes(codes, patch_nums)
    columns = CAPTIONS.read(captions, columns=["image", "label"])
    places = pc.index_in(table.column("image"), value_set=columns.column("image").combine_chunks())
    labels = columns.column("label").take(places).combine_chunks()
    is_labelled = labels.is_valid()
    kept = table.filter(is_labelled)
    if not kept.num_rows:
        raise UserError(
            f"{captions}: a label for none of the {table.num_rows} rows of {codes} found. Give the "
            "`captions` table of these images."
        )
    ids = kept.column("code_ids").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return LabelledCodes(
        ids.reshape(kept.num_rows, -1),
        labels.drop_null().to_numpy(zero_copy_only=False).astype(np.int64),
        [
            f"{image} ({crop})"
            for image, crop in zip(
                kept.column("image").to_pylist(), kept.column("crop").to_pylist(), strict=True
            )
        ],
        table.num_rows - kept.num_rows,
        config,
    )
