"""`vargpt encode`: images -> a folder of `image_codes`, in shards that ranks share out.

OUT/data/codes-00000-of-000NN.parquet   which images are in which shard depends on the names alone
OUT/skipped/00000.jsonl                 images of that shard that cannot be read, with the reason
OUT/manifest.json                       counts and sha256 of every shard, once all are there
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from vargpt_model.encoding.ranks import Rank, rank_from_environment
from vargpt_model.encoding.shard import ShardPlan, encode_shard
from vargpt_model.image_tokenizer_folder import open_image_tokenizer, weights_sha256
from vargpt_model.pictures import Pictures
from vargpt_model.training.checkpoints import MANIFEST, sha256_of, write_json
from vargpt_model.training.folder_lock import expect_config, locked
from vargpt_model.training.manifest import names_sha256, versions
from vargpt_model.training.progress import Progress
from vargpt_model.training.stop_request import StopRequest
from vargpt_schema.image_codes import CodesConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeConfig:
    """Which squares of an image are encoded, and how."""

    centre: str | None = "centre"  # VAR's centre crop; whole: no margin; None: random crops only
    num_random_crops: int = 0  # random-0, random-1, ... of every image
    seed: int = 0  # of the random crops
    rows_per_shard: int = 8_192
    batch_size: int = 32  # crops; does not change codes
    num_threads: int = 2  # decode images

    def __post_init__(self) -> None:
        if self.centre not in ("centre", "whole", None):
            raise ValueError(f"centre must be centre, whole or None, got {self.centre!r}")
        if not self.crops:
            raise ValueError("give a centre crop or at least one random crop")
        if self.rows_per_shard < 1 or self.batch_size < 1 or self.num_threads < 1:
            raise ValueError("rows_per_shard, batch_size and num_threads must be at least 1")

    @property
    def crops(self) -> list[str]:
        """Names of the views, as the table keeps them."""
        fixed = [] if self.centre is None else [self.centre]
        return fixed + [f"random-{index}" for index in range(self.num_random_crops)]


class Encoded(NamedTuple):
    """What lies in the folder when a call ends."""

    num_images: int  # of finished shards, skipped ones not counted
    num_rows: int  # image and crop
    num_skipped: int
    num_shards_left: int  # of other ranks, or not reached before a signal
    stopped_by: int | None
    folder: Path


def encode_images(
    model: Path,
    pictures: Pictures,
    out: Path,
    config: EncodeConfig = EncodeConfig(),  # noqa: B008
) -> Encoded:
    """Encode every image once, in float32; finished shards are never made again.

    `model` is a folder of `vargpt train image-tokenizer` or VAR's `.pth`. Under torchrun each rank
    makes every world_size-th shard. UserError for a folder started with another configuration.
    """
    rank = rank_from_environment()
    with locked(out, f"rank-{rank.rank}.lock"):
        tokenizer = open_image_tokenizer(model).to(rank.device)
        codes_config = CodesConfig(
            patch_nums=tokenizer.config.patch_nums,
            vocab_size=tokenizer.config.vocab_size,
            image_size_px=tokenizer.config.image_size_px,
            tokenizer_sha256=weights_sha256(tokenizer),
        )
        resolved = _resolved(pictures, codes_config, config)
        expect_config(out, resolved)
        plans = _plans(pictures, out, config)
        ours = [plan for plan in plans[rank.rank :: rank.world_size] if not plan.codes.exists()]
        num_crops = sum(len(plan.names) for plan in ours) * len(config.crops)
        progress = Progress(_what(rank), done=0, total=num_crops, unit="crops")
        num_done = 0
        with StopRequest() as stop, ThreadPoolExecutor(config.num_threads) as threads:

            def goes_on(num_crops: int) -> bool:
                nonlocal num_done
                num_done += num_crops
                progress.show(num_done)
                return stop.received is None

            for plan in ours:
                if stop.received is not None:
                    break
                encode_shard(
                    plan,
                    pictures,
                    tokenizer,
                    codes_config,
                    crops=config.crops,
                    seed=config.seed,
                    batch_size=config.batch_size,
                    threads=threads,
                    goes_on=goes_on,
                )
        return _finish(plans, out, resolved, stop.received)


def _resolved(pictures: Pictures, codes: CodesConfig, config: EncodeConfig) -> Mapping[str, Any]:
    return {
        **asdict(codes),
        "crops": config.crops,
        "seed": config.seed,
        "rows_per_shard": config.rows_per_shard,
        "num_images": len(pictures.names),
        "image_names_sha256": names_sha256(pictures.names),
    }


def _plans(pictures: Pictures, out: Path, config: EncodeConfig) -> list[ShardPlan]:
    names = pictures.names
    images_a_shard = max(1, config.rows_per_shard // len(config.crops))
    starts = range(0, len(names), images_a_shard)
    return [
        ShardPlan(
            names[start : start + images_a_shard],
            out / "data" / f"codes-{number:05d}-of-{len(starts):05d}.parquet",
            out / "skipped" / f"{number:05d}.jsonl",
        )
        for number, start in enumerate(starts)
    ]


def _finish(
    plans: list[ShardPlan], out: Path, resolved: Mapping[str, Any], stopped_by: int | None
) -> Encoded:
    """Count what is there; whoever finds all shards there writes the manifest."""
    finished = [plan for plan in plans if plan.codes.exists()]
    num_skipped = sum(_num_lines(plan.skipped) for plan in finished)
    num_images = sum(len(plan.names) for plan in finished) - num_skipped
    num_rows = num_images * len(resolved["crops"])
    if len(finished) == len(plans):
        shards = {
            plan.codes.name: {
                "sha256": sha256_of(plan.codes),
                "rows": pq.read_metadata(plan.codes).num_rows,
            }
            for plan in plans
        }
        write_json(
            out / MANIFEST,
            {
                "command": "vargpt encode",
                "config": resolved,
                "num_images": num_images,
                "num_rows": num_rows,
                "num_skipped": num_skipped,
                "shards": shards,
                "versions": versions(),
            },
        )
    return Encoded(num_images, num_rows, num_skipped, len(plans) - len(finished), stopped_by, out)


def _num_lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines()) if path.exists() else 0


def _what(rank: Rank) -> str:
    return "encode" if rank.world_size == 1 else f"encode, rank {rank.rank} of {rank.world_size}"
