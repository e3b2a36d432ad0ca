"""Pictures that were drawn from the same prompts at several steps."""

import base64
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from vargpt_model.training.checkpoints import MANIFEST, write_folder

SAMPLES = "samples"
MAX_COLUMNS = 7
_PREFIX = "step-"


class DrawnRow(NamedTuple):
    """One prompt, and what it gave at the steps of the page's columns."""

    prompt: str
    pictures: list[str]  # data: addresses; "" where nothing was drawn


class Drawn(NamedTuple):
    steps: list[int]
    rows: list[DrawnRow]


def save_pictures(
    out: Path, step: int, prompts: Sequence[str], pictures: Sequence[Image.Image | None]
) -> None:
    """Write OUT/samples/step-N, whole or not at all; a picture for each prompt, None for none."""
    folder = out / SAMPLES / f"{_PREFIX}{step:08d}"
    if folder.exists():
        return
    files = {
        f"{number:02d}.png": (lambda path, picture=picture: picture.save(path, format="PNG"))
        for number, picture in enumerate(pictures)
        if picture is not None
    }
    write_folder(folder, files, {"step": step, "prompts": list(prompts)})


def read_pictures(out: Path) -> Drawn:
    """The first, the last and some steps between, for the page."""
    folders = sorted((out / SAMPLES).glob(f"{_PREFIX}*"))
    if len(folders) > MAX_COLUMNS:
        last = len(folders) - 1
        places = [round(last * place / (MAX_COLUMNS - 1)) for place in range(MAX_COLUMNS)]
        folders = [folders[place] for place in places]
    rows: dict[int, DrawnRow] = {}
    for folder in folders:
        prompts = json.loads((folder / MANIFEST).read_text("utf-8"))["prompts"]
        for number, prompt in enumerate(prompts):
            row = rows.setdefault(number, DrawnRow(prompt, []))
            row.pictures.append(_address(folder / f"{number:02d}.png"))
    return Drawn(
        [int(folder.name.removeprefix(_PREFIX)) for folder in folders], list(rows.values())
    )


def _address(path: Path) -> str:
    if not path.is_file():
        return ""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"


def drop_pictures_after(out: Path, step: int) -> None:
    """Remove those of later steps: a resumed run draws them again."""
    for folder in (out / SAMPLES).glob(f"{_PREFIX}*"):
        if int(folder.name.removeprefix(_PREFIX)) > step:
            shutil.rmtree(folder)
