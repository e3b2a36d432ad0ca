"""The rows of every step as micro-batches of one rank, read ahead in threads."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor

from vargpt_model.processor import EncodedConversation, VargptProcessor
from vargpt_model.processor.processor import IGNORE_INDEX
from vargpt_model.stage_training.examples import Example, ExampleReader, Unreadable
from vargpt_model.stage_training.row_lengths import RowLengths
from vargpt_model.stage_training.rows import RowOrder
from vargpt_model.stage_training.step_plan import micro_batches

OPEN = -1  # codes of images that the model encodes itself


class MicroBatch(NamedTuple):
    """What one pass sees, and what of it is counted."""

    inputs: dict[str, Tensor]  # of the model's forward
    sample_ids: list[str]
    num_labels: int  # text positions that are predicted
    num_drawn: int  # images
    num_positions: int  # without padding
    num_understood: int  # images

    @property
    def num_padded_positions(self) -> int:
        """Positions with padding."""
        return self.inputs["input_ids"].numel()


class StepBatch(NamedTuple):
    """One rank's share of an optimizer step."""

    step: int  # 0-based
    epoch: float  # of the data, at the end of the step
    micro_batches: list[MicroBatch]
    unreadable: list[Unreadable]


class StepBatches:
    """Steps from `start` on; the next one is read while the caller computes."""

    def __init__(
        self,
        reader: ExampleReader,
        order: RowOrder,
        lengths: RowLengths,
        processor: VargptProcessor,
        *,
        start: int,
        num_steps: int,
        batch_size: int,
        max_micro_positions: int,
        num_threads: int,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self._reader = reader
        self._order = order
        self._lengths = lengths.lengths
        self._processor = processor
        self._start = start
        self._num_steps = num_steps
        self._batch_size = batch_size
        self._max_micro_positions = max_micro_positions
        self._num_threads = num_threads
        self.rank = rank
        self.world_size = world_size

    def __len__(self) -> int:
        """Steps of the whole run, those done included: what transformers' Trainer expects."""
        return self._num_steps

    def __iter__(self) -> Iterator[StepBatch]:
        with ThreadPoolExecutor(self._num_threads) as pool:
            ahead = self._submit(pool, self._start)
            for step in range(self._start, self._num_steps):
                reading = ahead
                ahead = self._submit(pool, step + 1) if step + 1 < self._num_steps else []
                yield self._gathered(step, reading)

    def lengths_by_micro(self, step: int) -> list[list[int]]:
        """Positions of the rows of this rank's micro-batches."""
        return [[int(self._lengths[row]) for row, _ in micro] for micro in self._plan(step)]

    def _plan(self, step: int) -> list[list[tuple[int, int]]]:
        """Row and epoch of every row of this rank's micro-batches."""
        first = step * self._batch_size
        drawn = [self._order.at(place) for place in range(first, first + self._batch_size)]
        planned = micro_batches(
            [int(self._lengths[row]) for row, _ in drawn],
            world_size=self.world_size,
            max_positions=self._max_micro_positions,
        )
        return [[drawn[place] for place in micro] for micro in planned[self.rank]]

    def _submit(
        self, pool: ThreadPoolExecutor, step: int
    ) -> list[list[Future[Example | Unreadable]]]:
        return [
            [pool.submit(self._reader.read, row, epoch) for row, epoch in micro]
            for micro in self._plan(step)
        ]

    def _gathered(self, step: int, reading: list[list[Future[Example | Unreadable]]]) -> StepBatch:
        read = [[future.result() for future in micro] for micro in reading]
        return StepBatch(
            step,
            (step + 1) * self._batch_size / self._order.rows_per_epoch,
            [
                together([one for one in micro if isinstance(one, Example)], self._processor)
                for micro in read
            ],
            [one for micro in read for one in micro if isinstance(one, Unreadable)],
        )


def together(examples: list[Example], processor: VargptProcessor) -> MicroBatch:
    """Examples padded to one length; without any, one position that nothing is learned from.

    Padded on the left, so that the images at the ends of rows begin at one place: what precedes
    them needs no gradient where the LLM is frozen.
    """
    texts = [example.text for example in examples]
    if not texts:
        texts = [EncodedConversation([processor.tokenizer.eos_token_id], [IGNORE_INDEX], [], [])]
    inputs = processor.pad(texts, padding_side="left", return_labels=True)
    understood = [image for example in examples for image in example.understood]
    drawn = [image for example in examples for image in example.drawn]
    if understood:
        inputs["pixel_values"] = torch.stack(understood)
    if drawn:
        inputs |= _drawn(drawn)
    return MicroBatch(
        inputs,
        [example.sample_id for example in examples],
        int((inputs["labels"][:, 1:] != IGNORE_INDEX).sum()),
        len(drawn),
        sum(len(text.input_ids) for text in texts),
        len(understood),
    )


def _drawn(images: list[Tensor]) -> dict[str, Tensor]:
    codes = [image for image in images if image.dim() == 1]
    pixels = [image for image in images if image.dim() == 3]
    if not pixels:
        return {"image_code_ids": torch.stack(codes)}
    if not codes:
        return {"target_pixel_values": torch.stack(pixels)}
    is_open = torch.full_like(codes[0], OPEN)
    rows = [image if image.dim() == 1 else is_open for image in images]
    return {"image_code_ids": torch.stack(rows), "target_pixel_values": torch.stack(pixels)}
