"""Features on a disk, appended batch by batch, so that a killed extraction goes on.

FOLDER/state.json       what the features are of, and how many images they hold
FOLDER/KIND.f32         one row of little-endian float32 an image
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.generation.feature_statistics import (
    FeatureStatistics,
    StatisticsStream,
    expect_finite,
)
from vargpt_eval.run_folder import write_json
from vargpt_schema.errors import writing_to

_STATE = "state.json"
_ROWS_AT_A_TIME = 2_048


class FeatureFolder:
    """One set of images as one or more networks saw it."""

    def __init__(self, path: Path, identity: Mapping[str, Any], widths: Mapping[str, int]) -> None:
        """Takes up what an earlier process left for the same identity; starts anew for another."""
        self.path, self._widths = path, dict(widths)
        self._identity = json.loads(json.dumps({**identity, "widths": dict(widths)}))
        path.mkdir(parents=True, exist_ok=True)
        held = _held_state(path / _STATE)
        is_same = held.get("identity") == self._identity and self._has_rows(held["num_images"])
        self.num_images: int = held["num_images"] if is_same else 0
        self.notes: dict[str, Any] = held["notes"] if is_same else {}
        for kind, width in self._widths.items():
            file = self._file(kind)
            file.touch()
            os.truncate(file, 4 * width * self.num_images)

    def _has_rows(self, num_images: int) -> bool:
        """A file that lost rows would be filled up with zeros, which are features too."""
        return all(
            self._file(kind).is_file() and self._file(kind).stat().st_size >= 4 * width * num_images
            for kind, width in self._widths.items()
        )

    def append(
        self, features: Mapping[str, NDArray[np.floating]], notes: Mapping[str, Any]
    ) -> None:
        """Rows of every kind; `notes` is what the caller must know to go on. UserError for NaN."""
        counts = set()
        for kind, width in self._widths.items():
            rows = features[kind].reshape(-1, width)
            expect_finite(rows, first=self.num_images)
            counts.add(len(rows))
            with writing_to(self._file(kind)), self._file(kind).open("ab") as file:
                file.write(rows.astype("<f4").tobytes())
        if len(counts) != 1:
            raise ValueError(f"as many rows of every kind expected; got {counts}")
        self.num_images += counts.pop()
        self.notes = dict(notes)
        state = {"identity": self._identity, "num_images": self.num_images, "notes": self.notes}
        write_json(self.path / _STATE, state)

    def __contains__(self, kind: str) -> bool:
        return kind in self._widths

    def features(self, kind: str) -> NDArray[np.float32]:
        """(N, width), mapped from the disk."""
        shape = (self.num_images, self._widths[kind])
        if self.num_images == 0:
            return np.zeros(shape, np.float32)
        return np.memmap(self._file(kind), "<f4", "r", shape=shape)

    def statistics(self, kind: str, extractor: str, rows: slice = slice(None)) -> FeatureStatistics:
        """Streamed in float64, never whole in memory."""
        stream = StatisticsStream(extractor)
        for part in self._parts(kind, rows):
            stream.add(part)
        return stream.statistics()

    def _parts(self, kind: str, rows: slice) -> Iterator[NDArray[np.float32]]:
        start, stop, _ = rows.indices(self.num_images)
        for first in range(start, stop, _ROWS_AT_A_TIME):
            yield self.features(kind)[first : min(first + _ROWS_AT_A_TIME, stop)]

    def _file(self, kind: str) -> Path:
        return self.path / f"{kind.replace('/', '-')}.f32"


def _held_state(path: Path) -> dict[str, Any]:
    """Empty where nothing whole is: features are computed anew then."""
    try:
        held = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}
