"""Shards captioned by the actors of a Ray cluster: one for each GPU, through Ray Data.

Actors give rows back and the driver writes the files, so that nodes need to share the images and
the model, and no output folder. A shard whose actor dies is made again by another.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from vargpt_datagen.captioning.local_engine import Worker
from vargpt_datagen.captioning.shards import Job, Shard, ShardCaptions, Skipped
from vargpt_datagen.ray_cluster import Cluster, ray_cluster

_SKIPPED = pa.list_(pa.struct([(name, pa.string()) for name in Skipped._fields]))
_NOWHERE = Path()  # only the driver writes files
Run = Callable[[Job, Sequence[Shard], Callable[[int], None]], Iterator[ShardCaptions]]


def captioning_on_ray(num_workers: int | None) -> Run:
    """The engine with so many actors; by default one for each GPU, or one on processors alone."""

    def run(
        job: Job, shards: Sequence[Shard], on_images: Callable[[int], None]
    ) -> Iterator[ShardCaptions]:
        with ray_cluster() as cluster:
            wanted = num_workers or max(cluster.num_gpus, 1)
            yield from _captioned(job, shards, on_images, cluster, min(wanted, len(shards)))

    return run


def _captioned(
    job: Job,
    shards: Sequence[Shard],
    on_images: Callable[[int], None],
    cluster: Cluster,
    num_workers: int,
) -> Iterator[ShardCaptions]:
    import ray.data
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    items = [{"shard": number, "images": _bytes(each.images)} for number, each in enumerate(shards)]
    made = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        CaptioningActor,
        fn_constructor_args=(job,),
        batch_size=1,
        batch_format="pyarrow",
        # A shard waiting at an actor would be lost with it, and delayed behind another meanwhile.
        compute=ActorPoolStrategy(size=num_workers, max_tasks_in_flight_per_actor=1),
        num_gpus=1 if cluster.num_gpus else 0,
        num_cpus=1,
    )
    finished: Any = made.iter_batches(batch_size=1, batch_format="pyarrow", prefetch_batches=0)
    for batch in finished:
        (row,) = batch.to_pylist()
        shard = shards[row["shard"]]
        skipped = tuple(Skipped(**each) for each in row["skipped"] or ())
        yield ShardCaptions(shard, _table(row["rows"]), skipped)
        on_images(shard.images.num_rows)


class CaptioningActor:
    """A model on a GPU; Ray starts one for each."""

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)

    def __call__(self, batch: pa.Table) -> pa.Table:
        (item,) = batch.to_pylist()
        shard = Shard(path=_NOWHERE, images=_table(item["images"]))
        (made,) = self._worker.captions([shard], _unheard)
        return pa.table(
            {
                "shard": [item["shard"]],
                "rows": [_bytes(made.rows)],
                "skipped": pa.array([[each._asdict() for each in made.skipped]], _SKIPPED),
            }
        )


def _unheard(_: int) -> None:
    """Progress is told by the shard, to the driver."""


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _table(data: bytes) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()
