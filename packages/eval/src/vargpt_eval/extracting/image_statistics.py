"""`vargpt-eval stats make` of images: what a Frechet distance needs of real ones, kept in a file.

OUT.work/   features as they arrive, 12 KB an image with Inception; removed once OUT is there
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch

from vargpt_eval.counted import counted
from vargpt_eval.extracting.extraction import Networks, extract_features
from vargpt_eval.extracting.inception_extractor import open_inception
from vargpt_eval.extracting.random_features import RandomExtractor
from vargpt_eval.generation.feature_statistics import FeatureStatistics
from vargpt_eval.generation.image_sources import ImageSource, open_images
from vargpt_eval.generation.picture_file import Pixels
from vargpt_eval.progress_lines import Progress
from vargpt_schema import UserError


class Shard(NamedTuple):
    """One part of all images, in their order."""

    part: int = 0  # from 0
    num_parts: int = 1


class ImageStatistics(NamedTuple):
    """Statistics, and names of the images that are not in them."""

    statistics: FeatureStatistics
    undecodable: list[str]


def statistics_of_images(
    images: Path,
    work: Path,
    progress: Progress,
    *,
    inception: Path | None = None,
    centre_crop_px: int | None = None,
    shard: Shard = Shard(),  # noqa: B008, frozen
    batch_size: int = 32,
) -> ImageStatistics:
    """Of a folder, tar file, Parquet or .npz; goes on behind what `work` holds of the same images.

    Without `inception` by the seeded random network, whose name the statistics bear. UserError as
    `open_images` and `extract_features`, and for a part that holds no image.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    extractor = RandomExtractor() if inception is None else open_inception(inception, device)
    extracted = extract_features(
        _Part(open_images(images), shard, images),
        Networks(extractors=[extractor]),
        work,
        progress,
        batch_size=batch_size,
        centre_crop_px=centre_crop_px,
    )
    return ImageStatistics(
        extracted.folder.statistics("pool_3", extractor.name), extracted.undecodable
    )


class _Part:
    """A stretch of an image source."""

    def __init__(self, source: ImageSource, shard: Shard, path: Path) -> None:
        self.path = path
        total = len(source.entries)
        self._source = source
        self._first, end = (
            total * place // shard.num_parts for place in (shard.part, shard.part + 1)
        )
        self.entries = source.entries[self._first : end]
        if not self.entries:
            raise UserError(
                f"{path}: {counted(total, 'image')} found, none for part {shard.part} of "
                f"{shard.num_parts}; two a part at least expected. Take fewer parts."
            )

    def read(self, start: int) -> Iterator[bytes | Pixels]:
        return islice(self._source.read(self._first + start), len(self.entries) - start)
