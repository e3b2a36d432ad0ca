"""torch.save, with the system's own error where the disk is full."""

from pathlib import Path
from typing import Any

import torch

from vargpt_model.training.checkpoints import WriteFile


def torch_file(value: Any) -> WriteFile:
    """Writes `value` for `torch.load(weights_only=True)`.

    Given a path, torch says no more than "unexpected pos" on a full disk. A failed write of a file
    object is at least the context of that.
    """

    def write(path: Path) -> None:
        with path.open("wb") as file:
            try:
                torch.save(value, file)
            except RuntimeError as error:
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from error
                raise

    return write
