"""Rows to train on: several `instruct` folders, each with a weight, as one list."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vargpt_model.row_source import Source
from vargpt_model.training.batch_order import epoch_order
from vargpt_model.training.manifest import names_sha256
from vargpt_schema import INSTRUCT
from vargpt_schema.compute import pc
from vargpt_schema.errors import UserError

_COLUMNS = ["sample_id", "messages", "images", "task"]


class Row(NamedTuple):
    """One conversation."""

    sample_id: str
    messages: list[dict[str, str]]
    images: list[str]  # in the order of their placeholders


class Rows:
    """All rows of all sources, numbered in the order of the sources."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = list(sources)
        tables = [INSTRUCT.read(source.path, columns=_COLUMNS) for source in sources]
        self.sizes = [table.num_rows for table in tables]
        for source, size in zip(self.sources, self.sizes, strict=True):
            if not size:
                raise UserError(
                    f"{source.path}: a table without rows found, at least one was expected. Build "
                    "it again with `datagen`, or take this --data out."
                )
        self._table = pa.concat_tables(tables)

    def __len__(self) -> int:
        return self._table.num_rows

    def at(self, row: int) -> Row:
        """One row."""
        ids, messages, images, _ = self._table.columns
        return Row(ids[row].as_py(), messages[row].as_py(), images[row].as_py())

    @property
    def has_images(self) -> bool:
        """Whether any row has one."""
        return bool(
            pc.any(pc.greater(pc.list_value_length(self._table.column("images")), 0)).as_py()
        )

    def counts_by_task(self) -> dict[str, int]:
        """Rows of each kind."""
        return dict(sorted(Counter(self._table.column("task").to_pylist()).items()))

    def sha256(self) -> str:
        """Fingerprint of rows and their order."""
        return names_sha256(self._table.column("sample_id").to_pylist())


class RowOrder:
    """The endless stream of rows that steps are cut from: a pure function of seed and place.

    An epoch goes through each source as often as its weight says; of a fraction it takes another
    random part each time. `usable` are the rows that may be trained on, in ascending order.
    """

    def __init__(
        self,
        usable: NDArray[np.int64],
        sizes: Sequence[int],
        weights: Sequence[float],
        *,
        seed: int,
    ) -> None:
        self.seed = seed
        bounds = np.cumsum([0, *sizes])
        self._parts = [
            usable[np.searchsorted(usable, start) : np.searchsorted(usable, end)]
            for start, end in pairwise(bounds)
        ]
        self._weights = list(weights)
        self.rows_per_epoch = sum(
            round(weight * len(part)) for weight, part in zip(weights, self._parts, strict=True)
        )
        self._epoch = lru_cache(maxsize=2)(self._rows_of_epoch)

    def at(self, place: int) -> tuple[int, int]:
        """Row and epoch, both 0-based, of one place in the stream."""
        epoch, index = divmod(place, self.rows_per_epoch)
        return int(self._epoch(epoch)[index]), epoch

    def _rows_of_epoch(self, epoch: int) -> NDArray[np.int64]:
        chosen = []
        for source, (part, weight) in enumerate(zip(self._parts, self._weights, strict=True)):
            repeats, rest = divmod(round(weight * len(part)), max(len(part), 1))
            chosen += [part] * repeats
            if rest:
                random = np.random.Generator(np.random.PCG64([self.seed, epoch, source]))
                chosen.append(np.sort(random.permutation(part)[:rest]))
        rows = np.concatenate(chosen)
        return rows[epoch_order(len(rows), seed=self.seed, epoch=epoch)]
