"""Speed, memory and size of `datagen build-class` and `build-1270k` at full size.

Run:  uv run python benchmarks/template_builds.py [--rows 1281167] [--runs 1] [--skip-world]

A `captions` table of so many made-up images is written first; then, each in a process of its own,
both sets are built from it and from the sample world, verified, and made once more the way that
most would: `datasets.map(batched=True, num_proc=2)` with rows as Python objects, then
`to_parquet`. "published" is what the command says it took for plan, texts, row rules, Parquet,
fsync and checksums; "open" is the rest but for the report: start, reading and checking captions.
Both parts are compared: publishing with map and to_parquet, and the two processes as a whole but
for the report, which `datasets` does not make.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from vargpt_datagen.imagenet_classes import NUM_TRAINING_IMAGES, imagenet_classes
from vargpt_schema import CAPTIONS, IMAGE_GEN, Message, sample_id_of
from vargpt_schema.compute import pc

START = "from vargpt_datagen.cli import main; main()"
ROWS_OF = {"build-class": NUM_TRAINING_IMAGES, "build-1270k": 1_270_000}
SIZES = ("small", "large", "tiny", "red", "blue", "green", "white", "black", "brown", "yellow")
DOINGS = ("sitting", "standing", "lying", "walking", "looking", "hanging", "resting", "running")
PLACES = ("on", "in", "near", "under", "behind", "beside")


class Ran(NamedTuple):
    """One finished process, as the operating system accounts for it."""

    wall_s: float
    cpu_s: float  # its children included
    peak_mb: float
    stderr: str


def run(*words: object) -> Ran:
    """Run `python WORDS` to its end; ends this program when it fails."""
    with tempfile.TemporaryFile("w+") as said:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *map(str, words)], stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.monotonic() - started
        said.seek(0)
        stderr = said.read()
    if status:
        raise SystemExit(f"{words} failed:\n{stderr}")
    return Ran(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, stderr)


def write_captions(path: Path, rows: int) -> None:
    """A `captions` table of made-up training images, its captions about as long as BLIP-2's."""
    chance = np.random.default_rng(0)
    classes = imagenet_classes()
    labels = np.sort(chance.integers(0, len(classes), rows))
    names = [each.name.partition(",")[0].lower() for each in classes]

    def drawn(words: Sequence[str]) -> pa.Array:
        return pa.array(words).take(pa.array(chance.zipf(1.3, rows) % len(words)))

    captions = pc.binary_join_element_wise(
        "a", drawn(SIZES), drawn(names), drawn(DOINGS), drawn(PLACES), "a", drawn(SIZES),
        drawn(names), " ",
    )  # fmt: skip
    wnids = pa.array([each.wnid for each in classes]).take(pa.array(labels))
    numbers = pc.cast(pa.array(np.arange(rows)), pa.string())
    image_ids = pc.binary_join_element_wise(wnids, numbers, "_")
    columns: dict[str, Any] = {
        "image_id": image_ids,
        "image": pc.binary_join_element_wise("train/", wnids, "/", image_ids, ".JPEG", ""),
        "split": pa.repeat("train", rows),
        "label": pa.array(labels),
        "wnid": wnids,
        "class_name": pa.array([each.name for each in classes]).take(pa.array(labels)),
        "caption_raw": captions,
        "caption": captions,
        "captioner": pa.repeat("made up", rows),
        "quality_flags": pa.ListArray.from_arrays(
            pa.array(np.zeros(rows + 1, np.int32)), pa.array([], pa.string())
        ),
    }
    CAPTIONS.write(
        pa.table([columns[name] for name in CAPTIONS.schema.names], CAPTIONS.schema), path
    )


def said_s(stderr: str, what: str) -> float:
    """Seconds that a command says a part of it took."""
    found = re.search(rf"^{what} in ([0-9.]+) s$", stderr, re.MULTILINE)
    return float(found[1]) if found else 0.0


def size_mb(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


class Built(NamedTuple):
    """How long a command took."""

    open_s: float
    published_s: float


def measure(verb: str, captions: str, rows: int, scratch: Path) -> Built:
    """Build and verify one set, print a line."""
    out = scratch / verb
    options = ["--captions", captions, "--rows", str(rows), "--out", str(out)]
    built = run("-c", START, verb, *options)
    verified = run("-c", START, "verify", out)
    published_s, report_s = said_s(built.stderr, "published"), said_s(built.stderr, "report")
    open_s = built.wall_s - published_s - report_s
    source = "world" if captions == "world" else "table"
    print(
        f"{verb:<12} {source:<6} {rows:>9,} {open_s:>7.1f} {published_s:>9.1f} "
        f"{rows / published_s:>9,.0f} {rows / (open_s + published_s):>9,.0f} {report_s:>8.1f} "
        f"{verified.wall_s:>8.1f} {built.cpu_s:>7.1f} {built.peak_mb:>7.0f} "
        f"{verified.peak_mb:>7.0f} {size_mb(out / 'data'):>6.0f}",
        flush=True,
    )
    shutil.rmtree(out)
    return Built(open_s, published_s)


def rows_by_map(batch: dict[str, list[Any]], numbers: list[int]) -> dict[str, list[Any]]:
    """The rows of -1270K as Python objects; one template of three each side, to be kind."""
    prompts = (
        "I need a photo of {}.",
        "Please create an image of {}.",
        "Can you craft a scene of {}.",
    )
    answers = ("I have created a photo of {}.", "Here's a crafted image of {}.", "Here it is: {}.")
    rows: list[dict[str, Any]] = []
    for at, number in enumerate(numbers):
        caption, image = batch["caption"][at], batch["image"][at]
        messages = (
            Message("user", prompts[number % 3].format(caption)),
            Message("assistant", answers[number // 3 % 3].format(caption) + IMAGE_GEN),
        )
        rows.append(
            {
                "sample_id": sample_id_of("imagenet", batch["image_id"][at], (image,), messages),
                "messages": [turn._asdict() for turn in messages],
                "images": [image],
                "task": "generation",
                "caption": caption,
                "image_id": batch["image_id"][at],
                "label": batch["label"][at],
                "wnid": batch["wnid"][at],
                "prompt_template_id": f"p{number % 3}",
                "answer_template_id": f"a{number // 3 % 3}",
            }
        )
    return {name: [row[name] for row in rows] for name in rows[0]}


def build_by_map(captions: str, rows: int, out: str) -> None:
    """What is compared with: the same rows by `datasets`."""
    from datasets import Dataset, load_dataset

    cache = f"{out}.cache"
    found = load_dataset("parquet", data_files=captions, split="train", cache_dir=cache)
    assert isinstance(found, Dataset)
    started = time.monotonic()
    mapped = found.select(range(rows)).map(
        rows_by_map,
        batched=True,
        with_indices=True,
        num_proc=2,
        remove_columns=found.column_names,
    )
    mapped.to_parquet(out)
    print(f"map and to_parquet in {time.monotonic() - started:.1f} s", file=sys.stderr)


def compare(captions: str, rows: int, ours: Built, scratch: Path) -> None:
    """The same rows by `datasets`, as its own messages and the whole process have it."""
    out = scratch / "by-map.parquet"
    ran = run(__file__, "--rows", rows, "--by-map", captions, out)
    map_s = said_s(ran.stderr, "map and to_parquet")
    print(
        f"datasets: {rows:,} rows, map and to_parquet {map_s:.1f} s, {rows / map_s:,.0f} rows/s; "
        f"whole process {ran.wall_s:.1f} s, {ran.cpu_s:.1f} CPU s. build-1270k publishes "
        f"{map_s / ours.published_s:.1f} times as fast, is "
        f"{ran.wall_s / (ours.open_s + ours.published_s):.1f} times as fast as a whole",
        flush=True,
    )
    shutil.rmtree(f"{out}.cache")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=NUM_TRAINING_IMAGES)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--skip-world", action="store_true")
    parser.add_argument("--by-map", nargs=2, help=argparse.SUPPRESS)  # CAPTIONS OUT
    options = parser.parse_args()
    if options.by_map:
        captions, out = options.by_map
        build_by_map(captions, options.rows, out)
        return
    scratch = Path(tempfile.mkdtemp(prefix="template-builds-"))
    try:
        captions = scratch / "captions.parquet"
        write_captions(captions, options.rows)
        print(
            "set          from        rows  open s published    rows/s  with open report s verify s"
            "   CPU s peak MB  verify     MB"
        )
        rows_of = {verb: min(rows, options.rows) for verb, rows in ROWS_OF.items()}
        for _ in range(options.runs):
            measure("build-class", str(captions), rows_of["build-class"], scratch)
            built = measure("build-1270k", str(captions), rows_of["build-1270k"], scratch)
            compare(str(captions), rows_of["build-1270k"], built, scratch)
            if not options.skip_world:
                for verb, rows in rows_of.items():
                    measure(verb, "world", rows, scratch)
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
