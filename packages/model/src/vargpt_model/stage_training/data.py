"""Everything that batches are made of, checked before anything is trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch.distributed as dist
from numpy.typing import NDArray

from vargpt_model.encoding.ranks import Rank
from vargpt_model.image_tokenizer_folder import weights_sha256
from vargpt_model.processor import VargptProcessor
from vargpt_model.row_source import Source
from vargpt_model.stage_training.config import StageTraining
from vargpt_model.stage_training.examples import ExampleReader, expect_sources
from vargpt_model.stage_training.row_lengths import RowLengths, row_lengths
from vargpt_model.stage_training.rows import RowOrder, Rows
from vargpt_model.stage_training.step_batches import StepBatches
from vargpt_model.stage_training.stored_codes import StoredCodes, mapped_file, unpack_codes
from vargpt_model.vargpt import VargptConfig, VargptForConditionalGeneration
from vargpt_schema.errors import UserError


class DataPaths(NamedTuple):
    """Where a stage's data are."""

    sources: Sequence[Source]
    image_root: Path | None
    codes: Path | None


class StageData(NamedTuple):
    """Rows, how long each is, in which order they come, and who reads them."""

    rows: Rows
    lengths: RowLengths
    order: RowOrder
    reader: ExampleReader

    def batches(
        self,
        processor: VargptProcessor,
        training: StageTraining,
        rank: Rank,
        *,
        start: int,
        end: int,
    ) -> StepBatches:
        """Steps `start` to `end` of one rank."""
        return StepBatches(
            self.reader,
            self.order,
            self.lengths,
            processor,
            start=start,
            num_steps=end,
            batch_size=training.batch_size,
            max_micro_positions=training.max_micro_positions,
            num_threads=training.num_threads,
            rank=rank.rank,
            world_size=rank.world_size,
        )


def stage_data(
    paths: DataPaths,
    model: VargptForConditionalGeneration,
    processor: VargptProcessor,
    training: StageTraining,
    rank: Rank,
    cache_folder: Path,
) -> StageData:
    """Read tables and codes, count positions. UserError for data that cannot train this model."""
    rows = Rows(paths.sources)
    codes = _stored_codes(paths.codes, model, rank, cache_folder)
    expect_sources(rows, codes, paths.image_root, training.view)
    lengths = row_lengths(
        rows,
        processor,
        training.max_positions,
        cache_folder,
        rank=rank.rank,
        world_size=rank.world_size,
        gather=_of_all_ranks,
    )
    order = RowOrder(
        lengths.usable,
        rows.sizes,
        [source.weight for source in rows.sources],
        seed=training.seed,
    )
    if not order.rows_per_epoch:
        raise UserError(
            f"{paths.sources[0].path}: {len(rows):,} rows found, none fits "
            f"{training.max_positions:,} positions and has something to learn, at least one was "
            "expected. Give --set max_positions=N with a higher one, or other rows."
        )
    reader = ExampleReader(
        rows,
        lengths.lengths,
        processor,
        codes,
        paths.image_root,
        view=training.view,
        seed=training.seed,
    )
    return StageData(rows, lengths, order, reader)


def _stored_codes(
    path: Path | None, model: VargptForConditionalGeneration, rank: Rank, cache_folder: Path
) -> StoredCodes:
    """Checked and unpacked by the first rank; what it refuses, all refuse."""
    if path is None:
        return StoredCodes(None, None)
    mapped = mapped_file(path, cache_folder)
    config: VargptConfig = model.config
    refusal: list[str | None] = [None]
    if rank.rank == 0:
        try:
            unpack_codes(path, config, weights_sha256(model.vae_local), mapped)
        except UserError as error:
            refusal = [str(error)]
    if dist.is_initialized():
        dist.broadcast_object_list(refusal)
    if refusal[0] is not None:
        raise UserError(refusal[0])
    return StoredCodes(path, mapped)


def _of_all_ranks(part: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    if not dist.is_initialized():
        return [part]
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, part)
    return parts
