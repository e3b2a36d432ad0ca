"""Image files to squares of pixels, in worker processes, ahead of the model.

A square is what BLIP-2's image processor makes of a picture before it scales the values: RGB,
resized with Pillow, without regard to proportions. No torch here, so a worker starts at once.
"""

import io
import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from vargpt_datagen.stage2.images import (
    FORMATS,
    MAX_FILE_BYTES,
    UNDECODABLE,
    bombs_are_errors,
    is_misnamed,
)
from vargpt_schema import UserError

_IMAGES_PER_TASK = 16
_BATCHES_AHEAD = 3
ODDITIES = ("cmyk", "greyscale", "misnamed")  # of images that are captioned all the same
_GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "F"})


class Square(NamedTuple):
    """Size and resampling of the squares that a model looks at."""

    height_px: int
    width_px: int
    resample: int  # a Pillow resampling filter


class Decoded(NamedTuple):
    """One image file, decoded; without a fault it can be captioned."""

    pixels: np.ndarray | None  # (H, W, 3) uint8; None with a fault
    oddities: tuple[str, ...]  # some of ODDITIES
    fault: str  # "" or a reason


def decode(path: Path, square: Square) -> Decoded:
    """Read one image file; whatever is wrong with it is a fault and no error."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return Decoded(None, (), "image_too_large")
        data = path.read_bytes()
    except FileNotFoundError:
        return Decoded(None, (), "missing_image")
    except OSError:
        return Decoded(None, (), "unreadable_image")
    if not data:
        return Decoded(None, (), "empty_file")
    try:
        with bombs_are_errors(), Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            oddities = _oddities(opened, path.name)
            size = (square.width_px, square.height_px)
            resized = opened.convert("RGB").resize(size, Image.Resampling(square.resample))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return Decoded(None, (), "too_many_pixels")
    except UNDECODABLE:
        return Decoded(None, (), "undecodable_image")
    return Decoded(np.asarray(resized), oddities, "")


def _oddities(opened: Image.Image, name: str) -> tuple[str, ...]:
    holds = (
        opened.mode == "CMYK",
        opened.mode in _GREY_MODES,
        is_misnamed(name, opened.format or ""),
    )
    return tuple(oddity for oddity, is_so in zip(ODDITIES, holds, strict=True) if is_so)


class Decoders:
    """Worker processes that decode the images of one folder, ahead of who takes the batches."""

    def __init__(self, root: Path, square: Square, num_processes: int) -> None:
        self._root = root
        self._square = square
        # Not forked: the model's libraries have threads, and a GPU cannot be shared that way.
        self._pool = ProcessPoolExecutor(
            num_processes, mp_context=get_context("spawn"), initializer=_leave_ctrl_c
        )
        self.waited_s = 0.0  # by who takes the batches, the first of all not counted
        self._is_first = True

    def __enter__(self) -> "Decoders":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        self._pool.shutdown(cancel_futures=True)

    def batches(self, batches: Iterable[Sequence[str]]) -> Iterator[list[Decoded]]:
        """Each batch of paths below the root, decoded, in order.

        UserError when a worker was killed.
        """
        pending: deque[list[Future[list[Decoded]]]] = deque()
        try:
            for batch in batches:
                pending.append(self._started(batch))
                if len(pending) > _BATCHES_AHEAD:
                    yield self._taken(pending.popleft())
            while pending:
                yield self._taken(pending.popleft())
        except BrokenProcessPool as error:
            raise UserError(
                f"{self._root}: a process that decodes images was killed, perhaps for memory. "
                "What was done so far is kept: run the same command, with fewer --decoders."
            ) from error
        finally:
            for future in (future for batch in pending for future in batch):
                future.cancel()

    def _started(self, batch: Sequence[str]) -> list[Future[list[Decoded]]]:
        return [
            self._pool.submit(
                _decode_all, self._root, batch[start : start + _IMAGES_PER_TASK], self._square
            )
            for start in range(0, len(batch), _IMAGES_PER_TASK)
        ]

    def _taken(self, batch: list[Future[list[Decoded]]]) -> list[Decoded]:
        started_s = time.monotonic()
        taken = [decoded for future in batch for decoded in future.result()]
        if not self._is_first:
            self.waited_s += time.monotonic() - started_s
        self._is_first = False
        return taken


def default_num_decoders() -> int:
    """A process for each processor but one, at most 16: a GPU takes no more than they give."""
    return max(1, min(16, len(os.sched_getaffinity(0)) - 1))


def _decode_all(root: Path, names: Sequence[str], square: Square) -> list[Decoded]:
    return [decode(root / name, square) for name in names]


def _leave_ctrl_c() -> None:
    """Ctrl-C is for the parent, which ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
