"""Images through networks, batch by batch: decoded by threads, features to the disk."""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vargpt_eval.counted import counted
from vargpt_eval.extracting.clip import ClipScorer
from vargpt_eval.extracting.extractor import Extractor, Images
from vargpt_eval.generation.feature_folder import FeatureFolder
from vargpt_eval.generation.image_sources import ImageEntry, ImageSource, entries_sha256
from vargpt_eval.generation.picture_file import Pixels, centre_cropped, decoded
from vargpt_eval.progress_lines import Progress
from vargpt_schema import UserError

_NUM_THREADS = 4
_BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """What looks at every image."""

    extractors: Sequence[Extractor]
    clips: Sequence[ClipScorer] = ()

    def widths(self, text_kinds: Sequence[str]) -> dict[str, int]:
        """Features an image, by kind; 1 for a cosine."""
        found = {kind: width for one in self.extractors for kind, width in one.widths.items()}
        return found | {
            f"cosine {clip.size} {kind}": 1 for clip in self.clips for kind in text_kinds
        }

    def names(self) -> list[str]:
        return [*(one.name for one in self.extractors), *(clip.name for clip in self.clips)]


class ExtractedImages(NamedTuple):
    """All images of a source as the networks saw them."""

    folder: FeatureFolder
    kept: list[ImageEntry]
    undecodable: list[str]  # names
    size_px: tuple[int, int]  # height and width of all
    pixels_sha256: str  # of all pixels, whatever the order of images
    num_truncated: dict[str, int]  # texts that a text tower could not read whole, by cosine


class FeatureExtraction:
    """Takes images as they come: from files, or from a model that draws without writing them.

    `texts` of an image: one a kind, in the order of `text_kinds`, such as instruction and caption.
    """

    def __init__(
        self,
        path: Path,
        networks: Networks,
        *,
        text_kinds: Sequence[str] = (),
        identity: Any = None,
    ) -> None:
        self._networks, self._kinds = networks, list(text_kinds)
        named = {"source": identity, "networks": networks.names(), "text_kinds": self._kinds}
        self.folder = FeatureFolder(path, named, networks.widths(self._kinds))
        notes = self.folder.notes
        self.num_entries: int = notes.get("num_entries", 0)
        self.undecodable: list[int] = notes.get("undecodable", [])
        self.size_px: list[int] = notes.get("size_px", [])
        self.num_truncated: dict[str, int] = notes.get("num_truncated", {})
        self._pixels = int(notes.get("pixels", "0"), 16)

    @property
    def pixels_sha256(self) -> str:
        return f"{self._pixels:064x}"

    def add(self, images: Images, texts: Sequence[Sequence[str]] = ()) -> None:
        """(B, height, width, 3) uint8. UserError for another size than before, or NaN features."""
        names = [f"image {self.num_entries + place}" for place in range(len(images))]
        self.add_decoded(list(images), texts, names)

    def add_decoded(
        self,
        images: Sequence[Pixels | None],
        texts: Sequence[Sequence[str]],
        names: Sequence[str],
    ) -> None:
        """As `add`, where some could not be decoded."""
        kept = [place for place, image in enumerate(images) if image is not None]
        found = [image for image in images if image is not None]
        for place, image in zip(kept, found, strict=True):
            self._expect_size(image, names[place])
            digest = hashlib.sha256(image.tobytes()).hexdigest()
            self._pixels = (self._pixels + int(digest, 16)) % (1 << 256)
        self.undecodable += [
            self.num_entries + place for place in range(len(images)) if place not in set(kept)
        ]
        self.num_entries += len(images)
        features = self._features(found, [texts[place] for place in kept] if texts else [])
        self.folder.append(features, self._notes())

    def _features(
        self, found: list[Pixels], texts: Sequence[Sequence[str]]
    ) -> dict[str, np.ndarray]:
        widths = self._networks.widths(self._kinds)
        if not found:
            return {kind: np.zeros((0, width), np.float32) for kind, width in widths.items()}
        batch = np.stack(found)
        features: dict[str, np.ndarray] = {}
        for extractor in self._networks.extractors:
            features |= extractor.extract(batch)
        for clip in self._networks.clips:
            embedded = clip.embedded(batch)
            for number, kind in enumerate(self._kinds):
                name = f"cosine {clip.size} {kind}"
                match = clip.match(embedded, [own[number] for own in texts])
                features[name] = match.cosines[:, None]
                self.num_truncated[name] = self.num_truncated.get(name, 0) + match.num_truncated
        return features

    def _expect_size(self, image: Pixels, name: str) -> None:
        size = list(image.shape[:2])
        self.size_px = self.size_px or size
        if size != self.size_px:
            raise UserError(
                f"{name}: {size[1]} x {size[0]} px found, {self.size_px[1]} x {self.size_px[0]} as "
                "the first image expected. Draw all in one size, or give --centre-crop PX."
            )

    def _notes(self) -> dict[str, Any]:
        return {
            "num_entries": self.num_entries,
            "undecodable": self.undecodable,
            "size_px": self.size_px,
            "num_truncated": self.num_truncated,
            "pixels": self.pixels_sha256,
        }


def extract_features(
    source: ImageSource,
    networks: Networks,
    path: Path,
    progress: Progress,
    *,
    text_kinds: Sequence[str] = (),
    texts: Sequence[Sequence[str]] = (),
    batch_size: int = 32,
    centre_crop_px: int | None = None,
) -> ExtractedImages:
    """All images of a source; run again on the same source it goes on where it stopped.

    UserError for images of several sizes or other modes, and when none can be decoded.
    """
    entries = source.entries
    identity = {"entries": entries_sha256(entries), "centre_crop_px": centre_crop_px}
    extraction = FeatureExtraction(path, networks, text_kinds=text_kinds, identity=identity)
    start = extraction.num_entries
    with ThreadPoolExecutor(_NUM_THREADS) as threads:
        for images in _decoded_batches(
            source, start, batch_size, threads, centre_crop_px=centre_crop_px
        ):
            here = slice(extraction.num_entries, extraction.num_entries + len(images))
            names = [entry.name for entry in entries[here]]
            extraction.add_decoded(images, texts[here] if texts else (), names)
            progress(extraction.num_entries, len(entries))
    lost = set(extraction.undecodable)
    kept = [entry for place, entry in enumerate(entries) if place not in lost]
    if len(kept) < 2:
        raise UserError(
            f"{source.path}: {len(kept):,} of {counted(len(entries), 'image')} decoded, at least "
            "two expected. Draw or give more."
        )
    height, width = extraction.size_px
    return ExtractedImages(
        extraction.folder,
        kept,
        [entries[place].name for place in sorted(lost)],
        (height, width),
        extraction.pixels_sha256,
        extraction.num_truncated,
    )


def _decoded_batches(
    source: ImageSource,
    start: int,
    batch_size: int,
    threads: ThreadPoolExecutor,
    *,
    centre_crop_px: int | None,
) -> Iterator[list[Pixels | None]]:
    """Batches in order; two are decoded ahead of the networks."""

    def decode(data: bytes | Pixels, name: str) -> Pixels | None:
        pixels = decoded(data, name)
        if pixels is None or centre_crop_px is None:
            return pixels
        return centre_cropped(pixels, centre_crop_px)

    pairs = zip(source.read(start), source.entries[start:], strict=True)
    waiting: deque[list[Future[Pixels | None]]] = deque()
    while True:
        while len(waiting) <= _BATCHES_AHEAD:
            batch = [
                threads.submit(decode, data, one.name) for data, one in islice(pairs, batch_size)
            ]
            if not batch:
                break
            waiting.append(batch)
        if not waiting:
            return
        yield [future.result() for future in waiting.popleft()]
