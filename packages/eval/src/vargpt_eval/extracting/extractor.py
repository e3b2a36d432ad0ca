"""What the metrics need of a network that sees images."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]  # (B, height, width, 3)
Features = NDArray[np.float32]  # (B, width)


class Extractor(Protocol):
    """Features of images, each depending on its own image alone."""

    name: str  # network, weights and preparation: features of two names do not compare
    widths: dict[str, int]  # of each kind of feature that it gives

    def extract(self, images: Images) -> dict[str, Features]:
        """One array a kind; a row an image."""
        ...
