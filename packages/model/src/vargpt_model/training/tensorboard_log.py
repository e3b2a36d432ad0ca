"""Metrics as TensorBoard's event files, beside the JSON lines."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vargpt_model.training.checkpoints import disk_error


class TensorboardLog:
    """OUT/tensorboard; a list of values becomes one curve a place, `loss_by_scale/1` the first.

    Where tensorboard is not installed, as on GPU machines that bring their own torch, nothing is
    written.
    """

    def __init__(self, folder: Path, *, start: int) -> None:
        self.folder = folder
        self._writer = None
        if find_spec("tensorboard") is None:
            return
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        # Steps that a killed call logged behind its checkpoint are done again.
        self._writer = SummaryWriter(str(folder), purge_step=start + 1 if start else None)

    def append(self, step: int, metrics: Mapping[str, Any]) -> None:
        """One step's numbers; what is no number is left out."""
        if self._writer is None:
            return
        try:
            for name, value in metrics.items():
                values = value if isinstance(value, list) else [value]
                for place, number in enumerate(values, start=1):
                    if isinstance(number, int | float):
                        tag = f"{name}/{place}" if isinstance(value, list) else name
                        self._writer.add_scalar(tag, number, step)
        except OSError as error:
            raise disk_error(self.folder, error) from error

    def flush(self) -> None:
        """Hand everything to the file."""
        if self._writer is None:
            return
        try:
            self._writer.flush()
        except OSError as error:
            raise disk_error(self.folder, error) from error

    def close(self) -> None:
        """No more will come."""
        if self._writer is None:
            return
        try:
            self._writer.close()
        except OSError as error:
            raise disk_error(self.folder, error) from error
