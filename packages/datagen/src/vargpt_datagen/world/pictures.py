"""Writes pictures of the sample world into an image root, resumable and in parallel."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from vargpt_datagen.folder import disk_faults_are_said, folder_error
from vargpt_datagen.world.drawing import MAX_SIZE_PX, MIN_SIZE_PX, png_bytes
from vargpt_datagen.world.tables import (
    captions_table,
    chosen_indices,
    dialogues_table,
    prompts_table,
    questions_table,
)
from vargpt_schema import CAPTIONS, EVAL_PROMPTS, INSTRUCT, UserError
from vargpt_schema.world import Split, image_path, index_of, scene_at

_CHUNK = 500  # pictures per task
_PROCESSES = 2
_CHUNKS_WORTH_PROCESSES = 10  # fewer are drawn before a second process has started
_IMAGE_PATH = re.compile(r"world/([0-9]{8})\.png")

Progress = Callable[[int, int], None]  # done, total


class Drawn(NamedTuple):
    """What one run did."""

    num_drawn: int
    num_kept: int  # already there in the right size
    folder: Path


def draw_world(
    out: Path,
    rows: int,
    size_px: int,
    progress: Progress,
    *,
    split: Split = "train",
    num_objects: int | None = None,
    full_captions: bool = False,
    questions: bool = False,
    prompts: bool = False,
) -> Drawn:
    """Draw the first scenes of a split into OUT/world/ and write OUT/captions.parquet.

    `num_objects` (1 or 2) and `full_captions` leave out other scenes; `questions` adds
    OUT/questions/questions.parquet and OUT/dialogues/dialogues.parquet, `instruct` tables of a row
    a question and a row a picture; `prompts` OUT/prompts.parquet, requests to
    draw them as an `eval_prompts` table.
    UserError for rows or sizes that the world does not have.
    """
    indices = chosen_indices(split, rows, num_objects=num_objects, full_captions=full_captions)
    drawn = _draw_all(indices, out, size_px, progress)
    with disk_faults_are_said(out):
        CAPTIONS.write(captions_table(indices), out / "captions.parquet")
        if questions:
            for name, table in (
                ("questions", questions_table(indices)),
                ("dialogues", dialogues_table(indices)),
            ):
                (out / name).mkdir(exist_ok=True)
                INSTRUCT.write(table, out / name / f"{name}.parquet")
        if prompts:
            EVAL_PROMPTS.write(prompts_table(indices), out / "prompts.parquet")
    return drawn


def draw_for_build(
    build_dir: Path, size_px: int, progress: Progress, out: Path | None = None
) -> Drawn:
    """Draw the pictures that a build's rows name into an image root, default BUILD_DIR/images.

    UserError for a row that names anything but a picture of the sample world.
    """
    images = INSTRUCT.read(build_dir, columns=["images"]).column("images")
    names = images.combine_chunks().flatten().unique().to_pylist()
    indices = sorted(_named_index(build_dir, name) for name in names)
    return _draw_all(indices, out or build_dir / "images", size_px, progress)


def _named_index(build_dir: Path, name: str) -> int:
    match = _IMAGE_PATH.fullmatch(name)
    if match is None:
        raise UserError(
            f"{build_dir}: image {name!r} found, a picture of the sample world such as "
            "'world/00000042.png' expected. Only builds from the sample world can be drawn."
        )
    return index_of(f"world-{match[1]}")


def _draw_all(indices: Sequence[int], image_root: Path, size_px: int, progress: Progress) -> Drawn:
    if not MIN_SIZE_PX <= size_px <= MAX_SIZE_PX:
        raise UserError(
            f"--size: {size_px} px found, {MIN_SIZE_PX} to {MAX_SIZE_PX} expected. "
            "Choose the side that the model was made for, such as 64."
        )
    folder = image_root / "world"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise folder_error(folder, error) from error
    chunks = [indices[start : start + _CHUNK] for start in range(0, len(indices), _CHUNK)]
    done = num_drawn = 0
    with disk_faults_are_said(folder):
        drawn_counts = _draw_chunks(chunks, image_root, size_px)
        for chunk, drawn in zip(chunks, drawn_counts, strict=True):
            done += len(chunk)
            num_drawn += drawn
            progress(done, len(indices))
    return Drawn(num_drawn, len(indices) - num_drawn, folder)


def _draw_chunks(chunks: list[Sequence[int]], image_root: Path, size_px: int) -> Iterator[int]:
    """How many pictures of each chunk were drawn, in order."""
    draw_chunk = partial(_draw_chunk, image_root=image_root, size_px=size_px)
    if len(chunks) < _CHUNKS_WORTH_PROCESSES:
        yield from map(draw_chunk, chunks)
        return
    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
        yield from pool.map(draw_chunk, chunks)


def _draw_chunk(indices: Sequence[int], image_root: Path, size_px: int) -> int:
    num_drawn = 0
    for index in indices:
        path = image_root / image_path(index)
        if _side_px(path) == size_px:
            continue
        temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
        try:
            temporary.write_bytes(png_bytes(scene_at(index), size_px))
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        num_drawn += 1
    return num_drawn


def _side_px(path: Path) -> int | None:
    """Side of a square PNG, from its first bytes; None for anything else."""
    try:
        with path.open("rb") as file:
            head = file.read(24)
    except FileNotFoundError:
        return None
    if len(head) < 24 or not head.startswith(b"\x89PNG\r\n\x1a\n") or head[16:20] != head[20:24]:
        return None
    return int.from_bytes(head[16:20], "big")
