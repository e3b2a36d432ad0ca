"""What is to be scored: each prompt with the picture that a model drew for it."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vargpt_eval.counted import counted
from vargpt_eval.generation.drawn_prompts import prompts_by_id
from vargpt_eval.generation.picture_file import decoded, picture_path
from vargpt_schema import GENERATIONS, EvalPromptRecord, UserError
from vargpt_schema.world import caption_at, index_of


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

    UserError for prompts that are not the sample world's, generations of other prompts or the same
    twice, image paths that leave the folder of their file, and no picture where the table names
    some. A table without a row is one of empty replies.
    """
    by_id = prompts_by_id(prompts)
    indices = {prompt_id: _scene_index(prompts, prompt) for prompt_id, prompt in by_id.items()}
    pictures = _pictures(generations, by_id.keys())
    drawings = []
    for prompt in by_id.values():
        seeds = pictures.get(prompt.prompt_id) or {0: None}
        for turn, seed in enumerate(sorted(seeds), start=1):
            sample_id = prompt.prompt_id if turn == 1 else f"{prompt.prompt_id}#{turn}"
            drawings.append(Drawing(sample_id, prompt, indices[prompt.prompt_id], seeds[seed]))
    return drawings


def read_pixels(picture: Picture) -> NDArray[np.uint8] | None:
    """The picture as (height, width, 3); None when it cannot be decoded.

    UserError as `decoded`, and when it is not the file that was drawn.
    """
    data = picture.path.read_bytes()
    if picture.sha256 is not None and hashlib.sha256(data).hexdigest() != picture.sha256:
        raise UserError(
            f"{picture.path}: its sha256 is not the one recorded when it was drawn "
            f"({picture.sha256[:12]}...). Restore the picture, or run `vargpt generate` again."
        )
    return decoded(data, str(picture.path), modes=None)


def _scene_index(prompts: Path, prompt: EvalPromptRecord) -> int:
    try:
        index = index_of(prompt.image_id)
    except UserError as error:
        raise UserError(f"{prompts}, prompt {prompt.prompt_id!r}: {error}") from error
    if prompt.caption != caption_at(index):
        raise UserError(
            f"{prompts}: prompt {prompt.prompt_id!r} was written from {prompt.caption!r}, but "
            f"{prompt.image_id} is {caption_at(index)!r}. Build the prompts again with this "
            "release."
        )
    return index


def _pictures(
    generations: Path, prompt_ids: Collection[str]
) -> dict[str, dict[int, Picture | None]]:
    """First picture by prompt id and seed; None where a seed gave text only."""
    columns = ["prompt_id", "seed", "part_index", "kind", "image", "image_sha256", "finish_reason"]
    found: dict[str, dict[int, Picture | None]] = defaultdict(dict)
    parts: set[tuple[str, int, int]] = set()
    for file in GENERATIONS.files(generations):
        rows = GENERATIONS.read(file, columns).sort_by("part_index").to_pylist()
        for row in rows:
            if row["prompt_id"] not in prompt_ids:
                raise UserError(
                    f"{file}: generation of prompt {row['prompt_id']!r} found, which --prompts "
                    "does not hold. Give the prompts that this file was drawn from."
                )
            part = (row["prompt_id"], row["seed"], row["part_index"])
            if part in parts:
                raise UserError(
                    f"{file}: part {row['part_index']} of prompt {row['prompt_id']!r}, seed "
                    f"{row['seed']}, found twice, once expected. Remove one of the files that "
                    "hold it."
                )
            parts.add(part)
            seeds = found[row["prompt_id"]]
            if seeds.get(row["seed"]) is None:
                seeds[row["seed"]] = _picture(file, row) if row["kind"] == "image" else None
    _expect_some_file(generations, found)
    return found


def _expect_some_file(generations: Path, found: Mapping[str, Mapping[int, Picture | None]]) -> None:
    """A table without any of its pictures was moved; a model that drew nothing names none."""
    named = [one.path for seeds in found.values() for one in seeds.values() if one is not None]
    if named and not any(path.is_file() for path in named):
        raise UserError(
            f"{generations}: none of {counted(len(named), 'picture')} found, the first "
            f"{named[0]}; all expected beside the table that names them. Move or copy the table "
            "together with its pictures."
        )


def _picture(file: Path, row: dict[str, Any]) -> Picture:
    path = picture_path(file, row["image"], row["prompt_id"])
    return Picture(path, row["image_sha256"], row["finish_reason"])
