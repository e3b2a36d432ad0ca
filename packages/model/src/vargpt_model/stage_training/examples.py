"""One row as tensors: its text encoded, its images read, or their codes looked up."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vargpt_model.pictures import PictureFolder
from vargpt_model.processor import EncodedConversation, VargptProcessor
from vargpt_model.stage_training.config import ImageView
from vargpt_model.stage_training.rows import Rows
from vargpt_model.stage_training.stored_codes import StoredCodes
from vargpt_model.views import view_pixels
from vargpt_schema.errors import UserError


class Example(NamedTuple):
    """A row ready for a batch. h, w: of the vision tower; L codes; s: of the image tokenizer."""

    sample_id: str
    text: EncodedConversation  # cut to its length; without images
    understood: list[Tensor]  # (3, h, w) each
    drawn: list[Tensor]  # codes (L,) or pixels (3, s, s) in [-1, 1]


class Unreadable(NamedTuple):
    """A row whose image cannot be read."""

    sample_id: str
    reason: str


class ExampleReader:
    """Rows -> examples. The view of an image to draw depends on the epoch, or not at all."""

    def __init__(
        self,
        rows: Rows,
        lengths: NDArray[np.int32],
        processor: VargptProcessor,
        codes: StoredCodes,
        image_root: Path | None,
        *,
        view: ImageView,
        seed: int,
    ) -> None:
        self._rows = rows
        self._lengths = lengths
        self._processor = processor
        self._codes = codes
        self._pictures = None if image_root is None else PictureFolder(image_root, [])
        self._view: ImageView = view
        self._seed = seed

    def read(self, row: int, epoch: int) -> Example | Unreadable:
        """One row; never an exception for an image that is missing or damaged."""
        found = self._rows.at(row)
        ids, labels, kinds = self._processor.positions(found.messages)
        length = int(self._lengths[row])
        understood, drawn = [], []
        try:
            for kind, name in zip(kinds, found.images, strict=True):
                if kind == "image":
                    understood.append(self._understood(name))
                else:
                    drawn.append(self._drawn(name, epoch))
        except UserError as error:
            return Unreadable(found.sample_id, str(error))
        text = EncodedConversation(ids[:length], labels[:length], [], [])
        return Example(found.sample_id, text, understood, drawn)

    def view_at(self, epoch: int) -> str:
        """Name of the view of images to draw."""
        if self._view != "random":
            return self._view
        return f"random-{epoch % self._codes.num_random_views if self._codes.views else epoch}"

    def _understood(self, name: str) -> Tensor:
        return self._processor.understood_pixels([self._opened(name)])[0]

    def _drawn(self, name: str, epoch: int) -> Tensor:
        view = self.view_at(epoch)
        codes = self._codes.of(name, view)
        if codes is not None:
            return codes
        return view_pixels(
            self._opened(name),
            view,
            name=name,
            seed=self._seed,
            image_size_px=self._processor.image_size_px,
        )

    def _opened(self, name: str):
        if self._pictures is None:
            raise UserError(
                f"{name}: neither codes of it nor --image-root found, one of the two was expected. "
                "Add --image-root DIR, or encode it too with `vargpt encode`."
            )
        return self._pictures.open(name)


def expect_sources(
    rows: Rows, codes: StoredCodes, image_root: Path | None, view: ImageView
) -> None:
    """UserError before anything is trained, when images are needed that nothing can give.

    Codes of other views than asked for would be left unused without a word.
    """
    if image_root is not None and not image_root.is_dir():
        raise UserError(
            f"{image_root}: no such folder found, the folder that holds the images was expected. "
            "Check --image-root."
        )
    stored = {"random" if name.startswith("random-") else name for name in codes.views}
    if stored and view not in stored:
        raise UserError(
            f"--codes {codes.path}: views {', '.join(sorted(stored))} found, view={view} was "
            f"expected. Add --set view={min(stored)}, or encode the images with that view."
        )
    if image_root is None and not codes.views and rows.has_images:
        raise UserError(
            f"{rows.sources[0].path}: rows with images found, and neither --image-root nor "
            "--codes, one of them was expected. Add --image-root DIR, where the images are."
        )
