"""The real images that drawn ones are set beside, by a fingerprint that decides what compares."""

from pathlib import Path
from typing import NamedTuple

from vargpt_eval.generation.feature_statistics import FeatureStatistics
from vargpt_eval.generation.statistics_file import read_statistics
from vargpt_schema import UserError


class Reference(NamedTuple):
    """Statistics with what names them."""

    statistics: FeatureStatistics
    name: str  # of its file or folder
    sha256: str  # of the file, or of the images' pixels


def reference_of_file(path: Path, extractor: str, width: int, *, may_lack_name: bool) -> Reference:
    """Statistics in a file, which must be of this extractor with so many features an image.

    `may_lack_name`: a file that names no extractor is the evaluator's, taken to hold Inception's.
    """
    found = read_statistics(path, extractor if may_lack_name else None)
    if found.statistics.extractor != extractor:
        raise UserError(
            f"{path}: statistics of extractor {found.statistics.extractor!r} found, {extractor!r} "
            "as the images expected. Make both with the same extractor."
        )
    if len(found.statistics.mean) != width:
        raise UserError(
            f"{path}: statistics of {len(found.statistics.mean)} features found, {width} as of the "
            "images expected. Make both with the same extractor."
        )
    return Reference(found.statistics, path.name, found.sha256)
