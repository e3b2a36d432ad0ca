"""Shards captioned in this process, on its GPU where it has one."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence

from vargpt_datagen.captioning.decoding import Decoders, default_num_decoders
from vargpt_datagen.captioning.shards import Job, Shard, ShardCaptions, captioned_shards

BATCH_ON_GPU, BATCH_ON_PROCESSOR = 256, 8  # images


class Worker:
    """A loaded model and the processes that decode for it; a context manager."""

    def __init__(self, job: Job) -> None:
        from vargpt_datagen.captioning.blip2 import Captioner, device_of

        device = device_of(job.local_rank)
        self._job = job
        self._batch_size = job.batch_size or (
            BATCH_ON_PROCESSOR if device == "cpu" else BATCH_ON_GPU
        )
        self._model = Captioner(
            job.checkpoint, job.preset, prompt=job.prompt, dtype=job.dtype, device=device
        )
        self._decoders = Decoders(
            job.root, self._model.square, job.num_decoders or default_num_decoders()
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._decoders.close()

    @property
    def waited_s(self) -> float:
        """Seconds that the model has waited for pixels."""
        return self._decoders.waited_s

    def captions(
        self, shards: Sequence[Shard], on_images: Callable[[int], None]
    ) -> Iterator[ShardCaptions]:
        """Each shard in turn."""
        return captioned_shards(
            shards,
            self._model,
            self._decoders,
            captioner=self._job.captioner,
            batch_size=self._batch_size,
            on_images=on_images,
        )


def caption_locally(
    job: Job, shards: Sequence[Shard], on_images: Callable[[int], None]
) -> Iterator[ShardCaptions]:
    """Each shard in turn; at the end says how long the model has waited for pixels."""
    with Worker(job) as worker:
        started_s = time.monotonic()
        yield from worker.captions(shards, on_images)
        took_s = time.monotonic() - started_s
        print(
            f"captioned in {took_s:.1f} s, of which {worker.waited_s:.1f} s waiting for pixels",
            file=sys.stderr,
        )
