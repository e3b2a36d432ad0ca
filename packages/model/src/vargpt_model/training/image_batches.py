"""Batches of views, decoded ahead in threads; unreadable images are skipped and counted."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from vargpt_model.pictures import Pictures
from vargpt_model.training.batch_order import Draw, batch_at
from vargpt_model.views import view_pixels
from vargpt_schema.errors import UserError

NUM_THREADS = 2


class ImageBatch(NamedTuple):
    """What one step sees; fewer images than asked for where some cannot be read."""

    names: list[str]
    pixels: Tensor  # (N, 3, P, P) float32 in [-1, 1]


class ImageBatches:
    """The batch of any step: a pure function of seed and step."""

    def __init__(
        self,
        pictures: Pictures,
        *,
        view: Literal["whole", "random"],  # random: another square in every epoch
        image_size_px: int,
        batch_size: int,
        seed: int,
        device: torch.device,
        warn: Callable[[str], None],
    ) -> None:
        self.pictures = pictures
        self.view = view
        self.image_size_px = image_size_px
        self.batch_size = batch_size
        self.seed = seed
        self.device = device
        self.unreadable: set[str] = set()
        self._warn = warn
        self._pool = ThreadPoolExecutor(NUM_THREADS)
        self._ahead: dict[int, list[Future[tuple[str, Tensor | UserError]]]] = {}

    def at(self, step: int) -> ImageBatch:
        """The images of one 0-based step; UserError when none of them can be read."""
        views = self._ahead.pop(step, None) or self._submit(step)
        self._ahead = {step + 1: self._submit(step + 1)}
        names, tensors = [], []
        for future in views:
            name, view = future.result()
            if isinstance(view, Tensor):
                names.append(name)
                tensors.append(view)
            elif name not in self.unreadable:
                self.unreadable.add(name)
                self._warn(f"skipped: {view}")
        if not tensors:
            raise UserError(
                f"step {step}: none of {len(views)} images can be read, the first is "
                f"{views[0].result()[0]}. Check the image root."
            )
        return ImageBatch(names, torch.stack(tensors).to(self.device))

    def _submit(self, step: int) -> list[Future[tuple[str, Tensor | UserError]]]:
        draws = batch_at(
            step,
            num_items=len(self.pictures.names),
            batch_size=self.batch_size,
            seed=self.seed,
        )
        return [self._pool.submit(self._load, draw) for draw in draws]

    def _load(self, draw: Draw) -> tuple[str, Tensor | UserError]:
        name = self.pictures.names[draw.item]
        view = "whole" if self.view == "whole" else f"random-{draw.epoch}"
        try:
            image = self.pictures.open(name)
        except UserError as error:
            return name, error
        return name, view_pixels(
            image, view, name=name, seed=self.seed, image_size_px=self.image_size_px
        )
