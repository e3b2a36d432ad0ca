"""Files of feature statistics: NumPy archives as the guided-diffusion evaluator keeps them.

`VIRTUAL_imagenet256_labeled.npz` holds `mu` and `sigma` (of pool_3 of Inception 2015-12-05 over
all ImageNet training images) beside other arrays; ours hold `num_images` and `extractor` as well.
"""

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.generation.feature_statistics import FeatureStatistics, StatisticsStream
from vargpt_eval.hashes import file_sha256
from vargpt_schema.errors import UserError, writing_to

_MAX_ASYMMETRY = 1e-6  # of the largest entry
_IMAGES_AT_A_TIME = 4_096


class StatisticsFile(NamedTuple):
    """Statistics as a file holds them."""

    statistics: FeatureStatistics
    sha256: str  # of the file: two distances compare only if they share it


def write_statistics(path: Path, statistics: FeatureStatistics) -> Path:
    """Whole or not at all; the name must end in `.npz`."""
    if path.suffix != ".npz":
        raise UserError(f"{path}: a name ending in .npz expected. Choose another with --out.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        with writing_to(path), temporary.open("wb") as file:
            np.savez(
                file,
                mu=statistics.mean,
                sigma=statistics.covariance,
                num_images=np.int64(statistics.num_images or 0),
                extractor=np.array(statistics.extractor),
            )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_statistics(path: Path, extractor: str | None = None) -> StatisticsFile:
    """`extractor` names that of a file which does not; one which does must agree.

    UserError for a file that is missing, no archive, of other shapes, not finite or not symmetric.
    """
    arrays = _arrays(path)
    mean, covariance = _numbers(path, arrays, "mu"), _numbers(path, arrays, "sigma")
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)) or len(mean) == 0:
        raise _bad(path, f"mu of shape {mean.shape} and sigma of {covariance.shape} found")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise _bad(path, "NaN or infinity found in mu or sigma")
    largest = np.abs(covariance).max()
    if np.abs(covariance - covariance.T).max() > _MAX_ASYMMETRY * largest:
        raise _bad(path, "a sigma that is not symmetric found")
    if np.diagonal(covariance).min() < -_MAX_ASYMMETRY * largest:
        raise _bad(path, "a sigma of negative variances found")
    held = str(arrays["extractor"]) if "extractor" in arrays else None
    if held is None and extractor is None:
        raise UserError(
            f"{path}: no name of an extractor found, one expected, since statistics of two do not "
            "compare. Name it with --extractor."
        )
    if held is not None and extractor not in (None, held):
        raise UserError(
            f"{path}: statistics of extractor {held!r} found, {extractor!r} expected. Make both "
            "with the same extractor."
        )
    num_images = 0
    if "num_images" in arrays:
        num_images = int(_numbers(path, arrays, "num_images", num_dims=0))
    statistics = FeatureStatistics(
        mean=mean,
        covariance=covariance,
        num_images=num_images or None,
        extractor=held or extractor or "",
    )
    return StatisticsFile(statistics, file_sha256(path))


def statistics_of_files(paths: Sequence[Path], extractor: str) -> FeatureStatistics:
    """Of `.npy` files of (N, D) features, which are never whole in memory.

    UserError for a file of another form or width, NaN or infinity, and fewer than two images.
    """
    _expect_once(paths)
    stream = StatisticsStream(extractor)
    width = None
    for path in paths:
        features = _mapped_features(path)
        width = width or features.shape[1]
        if features.shape[1] != width:
            raise UserError(
                f"{path}: {features.shape[1]} features an image found, {width} as in {paths[0]} "
                "expected. Give files of one extractor."
            )
        for start in range(0, len(features), _IMAGES_AT_A_TIME):
            with _named(path):
                stream.add(features[start : start + _IMAGES_AT_A_TIME])
    with _named(*paths):
        return stream.statistics()


def merged_statistics(paths: Sequence[Path], extractor: str | None = None) -> FeatureStatistics:
    """Of files of statistics, each of its own images: those of all, to rounding.

    UserError as `read_statistics`, for a file that does not say of how many images it is, one of
    another extractor, and one that is there twice.
    """
    _expect_once(paths)
    stream: StatisticsStream | None = None
    name_of: dict[str, Path] = {}  # by the file's sha256
    for path in paths:
        statistics, sha256 = read_statistics(path, extractor)
        if sha256 in name_of:
            raise _twice(path, f"the same statistics as {name_of[sha256]}")
        name_of[sha256] = path
        part = StatisticsStream.of(statistics)
        if part is None:
            raise _bad(path, "no number of images found, without which it is no part of a whole")
        if stream is None:
            stream = part
        elif statistics.extractor != stream.extractor:
            raise UserError(
                f"{path}: statistics of extractor {statistics.extractor!r} found, "
                f"{stream.extractor!r} as in {paths[0]} expected. Make all with one extractor."
            )
        elif not stream.fits(statistics):
            raise _bad(path, f"{len(statistics.mean)} features found, other than in {paths[0]}")
        else:
            stream.merge(part)
    if stream is None:
        raise ValueError("paths must not be empty")
    return stream.statistics()


def _expect_once(paths: Sequence[Path]) -> None:
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise _twice(path, "the file twice")
        seen.add(path.resolve())


def _twice(path: Path, found: str) -> UserError:
    return UserError(f"{path}: {found} found, each image once expected. Name every part once.")


@contextmanager
def _named(*paths: Path) -> Iterator[None]:
    """What features are refused for, with the files that they are in."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{', '.join(map(str, paths))}: {error}") from error


def array_names(path: Path) -> set[str]:
    """Of an archive: statistics have `mu`, images `arr_0`. Empty where it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        return set()


def _mapped_features(path: Path) -> NDArray[np.floating]:
    try:
        features = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        found = f"not readable ({str(error).splitlines()[0]})"
    else:
        if isinstance(features, np.ndarray) and features.ndim == 2 and features.dtype.kind == "f":
            return features
        held = features if isinstance(features, np.ndarray) else None
        found = "an archive found" if held is None else f"{held.dtype} {held.shape} found"
    raise UserError(
        f"{path}: {found}; a .npy file of floats (images, features) expected. "
        "Give the features that an extractor gave."
    )


def _numbers(
    path: Path, arrays: Mapping[str, Any], name: str, num_dims: int | None = None
) -> NDArray[np.float64]:
    held = arrays[name]
    # numpy gives the bytes of a member that is no array.
    if not isinstance(held, np.ndarray) or held.dtype.kind not in "fiu":
        raise _bad(path, f"a {name} that holds no numbers found")
    if num_dims is not None and held.ndim != num_dims:
        raise _bad(path, f"{name} of shape {held.shape} found")
    return held.astype(np.float64)


def _arrays(path: Path) -> dict[str, Any]:
    wanted = ("mu", "sigma", "num_images", "extractor")
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise _bad(path, "a single array found")
        with loaded as archive:
            held = {name: archive[name] for name in wanted if name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _bad(path, f"not readable ({str(error).splitlines()[0]})") from error
    missing = [name for name in ("mu", "sigma") if name not in held]
    if missing:
        raise _bad(path, f"no {' and no '.join(missing)} found")
    return held


def _bad(path: Path, found: str) -> UserError:
    return UserError(
        f"{path}: {found}; a NumPy archive with mu (D,) and sigma (D, D) expected. "
        "Make one with `vargpt-eval stats make`, or give the evaluator's file."
    )
