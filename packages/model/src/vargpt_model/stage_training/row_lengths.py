"""Positions of every row, counted once before training: too long rows are cut or left out."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_model.processor import VargptProcessor
from vargpt_model.processor.processor import IGNORE_INDEX, Positions
from vargpt_model.stage_training.rows import Rows
from vargpt_model.training.checkpoints import write_file
from vargpt_model.training.manifest import names_sha256
from vargpt_model.training.progress import Progress
from vargpt_schema import IMAGE, IMAGE_GEN_END, IMAGE_GEN_PAD, IMAGE_GEN_START

Gather = Callable[[NDArray[np.int32]], list[NDArray[np.int32]]]  # of all ranks, in their order


class RowLengths(NamedTuple):
    """Positions of the rows as they are trained on."""

    lengths: NDArray[np.int32]  # (rows,); 0: left out
    num_cut: int  # rows whose text beyond the limit is left away
    num_left_out: int  # rows whose images lie beyond the limit, or that have nothing to learn

    @property
    def usable(self) -> NDArray[np.int64]:
        """The rows that are trained on, ascending."""
        return np.flatnonzero(self.lengths)


class RowLimit:
    """Cuts the end of a row's text, never an image."""

    def __init__(self, processor: VargptProcessor, max_positions: int) -> None:
        self.max_positions = min(max_positions, processor.context_length)
        tokens = (IMAGE, IMAGE_GEN_START, IMAGE_GEN_PAD, IMAGE_GEN_END)
        self._of_images = frozenset(processor.tokenizer.convert_tokens_to_ids(list(tokens)))

    def length_of(self, row: Positions) -> int:
        """Positions that are trained on: all, `max_positions`, or 0 for a row to leave out."""
        length = min(len(row.input_ids), self.max_positions)
        if not self._of_images.isdisjoint(row.input_ids[length:]):
            return 0
        # Nothing precedes the first position, so its label is never predicted.
        return length if any(label != IGNORE_INDEX for label in row.labels[1:length]) else 0


def row_lengths(
    rows: Rows,
    processor: VargptProcessor,
    max_positions: int,
    cache_folder: Path,
    *,
    rank: int = 0,
    world_size: int = 1,
    gather: Gather = lambda part: [part],
) -> RowLengths:
    """Count all rows, each rank its share, or read what an earlier call counted of them."""
    cache = cache_folder / f"lengths-{_key(rows, processor, max_positions)}.npy"
    if cache.exists():
        counted = np.load(cache)
    else:
        limit = RowLimit(processor, max_positions)
        bounds = np.linspace(0, len(rows), world_size + 1).astype(int)
        own = range(bounds[rank], bounds[rank + 1])
        part = np.zeros((len(own), 2), dtype=np.int32)
        progress = Progress("lengths", done=0, total=len(own), unit="rows")
        for done, row in enumerate(own):
            positions = processor.positions(rows.at(row).messages)
            part[done] = limit.length_of(positions), len(positions.input_ids)
            if rank == 0:
                progress.show(done + 1)
        counted = np.concatenate(gather(part))
        if rank == 0:
            write_file(cache, lambda path: _save(path, counted))
    trained, whole = counted[:, 0], counted[:, 1]
    is_out = trained == 0
    return RowLengths(trained, int(((trained < whole) & ~is_out).sum()), int(is_out.sum()))


def _key(rows: Rows, processor: VargptProcessor, max_positions: int) -> str:
    """Of what the lengths depend on, but for the words of the tokenizer."""
    sizes = processor.patch_nums, processor.num_image_tokens, processor.context_length
    return names_sha256([rows.sha256(), str(sizes), str(max_positions)])[:16]


def _save(path: Path, array: NDArray[np.int32]) -> None:
    with path.open("wb") as file:
        np.save(file, array)
