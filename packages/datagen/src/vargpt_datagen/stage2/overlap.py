"""How much of OneVision is LLaVA-1.5 again: the recipe holds parts of it under other names."""

from typing import NamedTuple

import numpy as np


class Overlap(NamedTuple):
    """Rows of LLaVA-OneVision that LLaVA-1.5 has too."""

    same_image_and_request: int  # the picture's bytes and the first request are the same
    same_text: int  # all turns are the same, whatever the picture
    repeated_in_llava: int  # rows of LLaVA-1.5 whose picture and first request an earlier row has


class OverlapCount:
    """Gathers the hashes of both sets' rows."""

    def __init__(self) -> None:
        self._first_turns: dict[str, list[np.ndarray]] = {"llava": [], "onevision": []}
        self._texts: dict[str, list[np.ndarray]] = {"llava": [], "onevision": []}

    def add(self, name: str, first_turns: np.ndarray, texts: np.ndarray) -> None:
        """Rows of "llava" or "onevision": hashes as a Piece has them."""
        self._first_turns[name].append(first_turns[first_turns != 0])
        self._texts[name].append(texts)

    def overlap(self) -> Overlap:
        llava, onevision = map(_joined, self._first_turns.values())
        llava_texts, onevision_texts = map(_joined, self._texts.values())
        return Overlap(
            int(np.isin(onevision, llava).sum()),
            int(np.isin(onevision_texts, llava_texts).sum()),
            len(llava) - len(np.unique(llava)),
        )


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.uint64), *parts])
