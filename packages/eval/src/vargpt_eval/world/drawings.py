"""What is to be scored: each prompt with the picture that a model drew for it."""

import hashlib
import io
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vargpt_schema import EVAL_PROMPTS, GENERATIONS, EvalPromptRecord, UserError
from vargpt_schema.world import caption_at, index_of

MAX_SIDE_PX = 4_096
_FORMATS = ("PNG", "JPEG", "WEBP")


class Picture(NamedTuple):
    """An image part of a model's output."""

    path: Path  # inside the folder of its generations file
    sha256: str | None  # as recorded when it was drawn
    finish_reason: str


class Drawing(NamedTuple):
    """One prompt and what one seed made of it."""

    sample_id: str  # the prompt's id; "#2" and so on behind it where it was drawn again
    prompt: EvalPromptRecord
    scene_index: int  # of the scene that the prompt was written from
    picture: Picture | None  # None: the model drew none


def read_drawings(generations: Path, prompts: Path) -> list[Drawing]:
    """Every prompt with its first picture of every seed, in the order of the prompts.

    UserError for prompts that are not the sample world's, generations of other prompts, and image
    paths that leave the folder of their file.
    """
    indices = _prompt_indices(prompts)
    pictures = _pictures(generations, {prompt.prompt_id for prompt in indices})
    drawings = []
    for prompt, index in indices.items():
        seeds = pictures.get(prompt.prompt_id) or {0: None}
        for turn, seed in enumerate(sorted(seeds), start=1):
            sample_id = prompt.prompt_id if turn == 1 else f"{prompt.prompt_id}#{turn}"
            drawings.append(Drawing(sample_id, prompt, index, seeds[seed]))
    return drawings


def read_pixels(picture: Picture) -> NDArray[np.uint8] | None:
    """The picture as (height, width, 3); None when it cannot be decoded.

    UserError when it is larger than 4,096 px or not the file that was drawn.
    """
    data = picture.path.read_bytes()
    if picture.sha256 is not None and hashlib.sha256(data).hexdigest() != picture.sha256:
        raise UserError(
            f"{picture.path}: its sha256 is not the one recorded when it was drawn "
            f"({picture.sha256[:12]}...). Restore the picture, or run `vargpt generate` again."
        )
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if max(image.size) > MAX_SIDE_PX:
                raise _too_large(picture.path, f"{image.width} x {image.height} px")
            return np.asarray(image.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise _too_large(picture.path, "a picture of too many pixels") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):  # as Pillow's readers do
        return None


def _too_large(path: Path, found: str) -> UserError:
    return UserError(
        f"{path}: {found} found, at most {MAX_SIDE_PX} px a side expected. "
        "Take the file out of the generations, or draw it smaller."
    )


def _prompt_indices(prompts: Path) -> dict[EvalPromptRecord, int]:
    indices: dict[EvalPromptRecord, int] = {}
    ids: set[str] = set()
    for prompt in EVAL_PROMPTS.records(prompts):
        if prompt.prompt_id in ids:
            raise UserError(
                f"{prompts}: prompt_id {prompt.prompt_id!r} found twice, one row per prompt "
                "expected. Build the prompts again."
            )
        ids.add(prompt.prompt_id)
        index = index_of(prompt.image_id)
        if prompt.caption != caption_at(index):
            raise UserError(
                f"{prompts}: prompt {prompt.prompt_id!r} was written from {prompt.caption!r}, but "
                f"{prompt.image_id} is {caption_at(index)!r}. Build the prompts again with this "
                "release."
            )
        indices[prompt] = index
    if not indices:
        raise UserError(f"{prompts}: no prompt found, at least one expected. Build it again.")
    return indices


def _pictures(generations: Path, prompt_ids: set[str]) -> dict[str, dict[int, Picture | None]]:
    """First picture by prompt id and seed; None where a seed gave text only."""
    columns = ["prompt_id", "seed", "part_index", "kind", "image", "image_sha256", "finish_reason"]
    found: dict[str, dict[int, Picture | None]] = defaultdict(dict)
    for file in GENERATIONS.files(generations):
        rows = GENERATIONS.read(file, columns).sort_by("part_index").to_pylist()
        for row in rows:
            if row["prompt_id"] not in prompt_ids:
                raise UserError(
                    f"{file}: generation of prompt {row['prompt_id']!r} found, which --prompts "
                    "does not hold. Give the prompts that this file was drawn from."
                )
            seeds = found[row["prompt_id"]]
            if seeds.get(row["seed"]) is None:
                seeds[row["seed"]] = _picture(file, row) if row["kind"] == "image" else None
    return found


def _picture(file: Path, row: dict[str, Any]) -> Picture:
    name: str = row["image"] or ""
    folder = file.parent.resolve()
    is_plain = name != "" and "\\" not in name and "\0" not in name
    path = (folder / name).resolve() if is_plain else folder
    if not is_plain or not path.is_relative_to(folder):
        raise UserError(
            f"{file}: image {name!r} of prompt {row['prompt_id']!r} found, a path inside "
            f"{file.parent} expected. Move the pictures beside their table."
        )
    return Picture(path, row["image_sha256"], row["finish_reason"])
