"""Where captions come from: the sample world, or a Parquet of real ones."""

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from vargpt_schema import world

WORLD_VERSION = 1  # bump when captions, labels or drawings of the sample world change


class CaptionedImage(NamedTuple):
    """What a build needs to know of one image."""

    image_id: str
    image: str  # POSIX path relative to the image root
    label: int | None
    wnid: str | None
    caption: str  # cleaned


class CaptionSource(Protocol):
    """A fixed sequence of captioned training images."""

    name: str  # used in folder names and rows: "world", "imagenet", "captions"
    title: str  # used in cards: "Sample-World-Instruct", "ImageNet-Instruct", "Caption-Instruct"
    captioner: str  # all of them in one line
    fingerprint: str  # changes when anything changes that rows take from here
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
        # The world is code: its version says when that code has changed, and a sample of what it
        # gives tells when somebody forgot to.
        sample = [self.image(index) for index in range(0, len(self), 9973)]
        said = json.dumps([WORLD_VERSION, sample])
        self.fingerprint = hashlib.sha256(said.encode()).hexdigest()

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
