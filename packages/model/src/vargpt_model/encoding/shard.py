"""One shard of codes: images -> views -> codes -> one Parquet file, and a list of what failed."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from vargpt_model.image_tokenizer import ImageTokenizer
from vargpt_model.pictures import Pictures
from vargpt_model.training.checkpoints import write_file
from vargpt_model.views import view_pixels
from vargpt_schema.errors import UserError
from vargpt_schema.image_codes import CodesConfig, ImageCodesRecord, write_image_codes


class ShardPlan(NamedTuple):
    """What a shard holds, and where it goes."""

    names: Sequence[str]
    codes: Path
    skipped: Path  # one line an image that cannot be read; no file where all can


class View(NamedTuple):
    """One square of one image."""

    name: str
    crop: str
    pixels: Tensor  # (3, P, P)


def encode_shard(
    plan: ShardPlan,
    pictures: Pictures,
    tokenizer: ImageTokenizer,
    config: CodesConfig,
    *,
    crops: Sequence[str],
    seed: int,
    batch_size: int,
    threads: Executor,
    goes_on: Callable[[int], bool],
) -> None:
    """Write the codes of all crops of a shard's images, in the order of names and crops.

    `goes_on` hears of every batch's crops; when it says no, nothing of the shard is written.
    """

    def load(name: str) -> list[View] | str:
        try:
            image = pictures.open(name)
        except UserError as error:
            return str(error)
        size_px = config.image_size_px
        return [
            View(name, crop, view_pixels(image, crop, name=name, seed=seed, image_size_px=size_px))
            for crop in crops
        ]

    skipped: list[str] = []

    def views() -> Iterator[View]:
        for name, loaded in zip(plan.names, threads.map(load, plan.names), strict=True):
            if isinstance(loaded, str):
                skipped.append(json.dumps({"image": name, "reason": loaded}))
            else:
                yield from loaded

    records = []
    for batch in _batches(views(), batch_size):
        codes = _codes_of(batch, tokenizer)
        records += [
            ImageCodesRecord(image=view.name, crop=view.crop, code_ids=tuple(row))
            for view, row in zip(batch, codes, strict=True)
        ]
        if not goes_on(len(batch)):
            return
    if skipped:
        text = "".join(f"{line}\n" for line in skipped)
        write_file(plan.skipped, lambda path: _write_text(path, text))
    write_image_codes(records, plan.codes, config)


def _codes_of(batch: Sequence[View], tokenizer: ImageTokenizer) -> list[list[int]]:
    device = tokenizer.quantize.embedding.weight.device
    pixels = torch.stack([view.pixels for view in batch]).to(device)
    return torch.cat(tokenizer.encode(pixels), dim=1).tolist()


def _batches(views: Iterator[View], batch_size: int) -> Iterator[list[View]]:
    batch: list[View] = []
    for view in views:
        batch.append(view)
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
