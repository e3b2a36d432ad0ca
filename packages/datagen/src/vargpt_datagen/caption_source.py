"""Where captions come from: the sample world, or a Parquet of real ones."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from vargpt_schema import world


class CaptionedImage(NamedTuple):
    """What a build needs to know of one image."""

    image_id: str
    image: str  # POSIX path relative to the image root
    label: int | None
    wnid: str | None
    caption: str  # cleaned


class CaptionSource(Protocol):
    """A fixed sequence of captioned training images."""

    name: str  # used in folder names: "world", "imagenet"
    title: str  # used in cards: "Sample-World-Instruct", "ImageNet-Instruct"
    captioner: str
    fingerprint: str  # changes when any caption or id changes
    dropped: Mapping[str, int]  # captions unfit for a row, by reason

    def __len__(self) -> int: ...

    def image(self, index: int) -> CaptionedImage: ...

    def caption(self, index: int) -> str: ...

    def image_id(self, index: int) -> str: ...


class WorldCaptions:
    """The sample world's training split: drawn scenes, exact captions, no file."""

    name = "world"
    title = "Sample-World-Instruct"
    captioner = "vargpt-sample-world"
    dropped: Mapping[str, int] = {}

    def __init__(self) -> None:
        self._indices = world.SPLITS["train"]
        # The world is code: a sample of its captions tells when that code has changed.
        sample = "\n".join(self.caption(index) for index in range(0, len(self), 9973))
        self.fingerprint = hashlib.sha256(sample.encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._indices)

    def caption(self, index: int) -> str:
        return world.caption_at(self._indices[index])

    def image_id(self, index: int) -> str:
        return world.image_id(self._indices[index])

    def image(self, index: int) -> CaptionedImage:
        at = self._indices[index]
        return CaptionedImage(
            image_id=world.image_id(at),
            image=world.image_path(at),
            label=world.label_at(at),
            wnid=None,
            caption=world.caption_at(at),
        )
