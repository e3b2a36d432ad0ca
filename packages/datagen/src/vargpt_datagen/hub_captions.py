"""The captions of visual-layer/imagenet-1k-vl-enriched, fetched from the hub without its images.

The images lie in the same Parquet files, some 140 GB of them; only the byte ranges of the text
columns are asked for, well under 1 % of that. What was fetched is kept as a `captions` table.
"""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import pyarrow as pa

from vargpt_datagen.caption_columns import (
    ENRICHED_COLUMNS,
    Split,
    enriched_rows,
    is_validation,
)
from vargpt_datagen.caption_text import caption_faults, clean_captions
from vargpt_datagen.progress import progress
from vargpt_schema import CAPTIONS, UserError
from vargpt_schema.compute import pc

REPOSITORY = "visual-layer/imagenet-1k-vl-enriched"
# The latest commit that is known from outside: its card describes captions, boxes and issues, which
# were uploaded in July 2024. The hub was out of reach where this was written, so it is untried.
REVISION = "eebdbab703829002dfcd0921a8e5e167a692312c"
HUB = f"hf://datasets/{REPOSITORY}@{REVISION}/data"

_COLUMNS = (*ENRICHED_COLUMNS, "issues")
_FILE_NAME = re.compile(r"(?P<split>[a-z]+)-[0-9]{5}-of-(?P<count>[0-9]{5})\.parquet")
_DOWNLOADS = 8  # files at once; each waits for one small range after another
_ROWS_AT_ONCE = 10_000


def hub_captions(split: Split, *, source: str = HUB, cache: Path | None = None) -> Path:
    """Folder of the `captions` files of a split, named {split}-00000-of-00207.parquet and so on.

    Fetched by the first call, file by file, so that an interrupted one goes on where it was; later
    calls need no network. UserError where the hub cannot be reached or holds something else.
    """
    cache = cache or _default_cache()
    if not _is_complete(cache, split):
        _fetch(source, split, cache)
    return cache


def _default_cache() -> Path:
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches) / "vargpt" / "imagenet-1k-vl-enriched" / REVISION[:12]


def _is_complete(cache: Path, split: Split) -> bool:
    names = [_FILE_NAME.fullmatch(path.name) for path in cache.glob(f"{split}-*.parquet")]
    return {int(name["count"]) for name in names if name} == {len(names)}


def _fetch(source: str, split: Split, cache: Path) -> None:
    """Every file of a split that the cache lacks."""
    urls, files = _opened(source, split)
    print(f"fetching captions, without images, from {source} into {cache}", file=sys.stderr)
    targets = [cache / url.rpartition("/")[2] for url in urls]
    with progress("files of captions") as show, ThreadPoolExecutor(_DOWNLOADS) as pool:
        tasks = [
            pool.submit(_fetch_file, files.shard(len(urls), number), url, split, target)
            for number, (url, target) in enumerate(zip(urls, targets, strict=True))
            if not target.exists()
        ]
        num_kept = len(urls) - len(tasks)
        try:
            for num_done, task in enumerate(as_completed(tasks), start=1):
                task.result()
                show(num_kept + num_done, len(urls))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _opened(source: str, split: Split) -> tuple[list[str], Any]:
    """Addresses of the files of a split, and a streamed data set with one shard for each."""
    try:
        from datasets import load_dataset_builder
    except ImportError as error:
        raise UserError(
            "--captions hub: the package `datasets` is missing. Install it with "
            "`uv sync --all-packages --all-extras`, or give --captions the path of a local copy."
        ) from error
    try:
        builder: Any = load_dataset_builder(
            "parquet",
            data_files={split: f"{source}/{split}-*.parquet"},
            columns=list(_COLUMNS),
            # Without it, reading ahead fetches what lies between the columns: the images.
            storage_options={"hf": {"block_size": 1}},
        )
        urls: list[str] = builder.config.data_files[split]  # in the order of the shards
        if urls:
            return urls, builder.as_streaming_dataset(split=split).with_format("arrow")
    except Exception as error:  # whatever the transport of `datasets` raises
        raise _not_fetched(source, error) from error
    raise UserError(
        f"{source}: no file {split}-*.parquet found, the layout of {REPOSITORY} was expected. "
        "Give --captions the path of a local copy."
    )


def _fetch_file(rows: Any, url: str, split: Split, target: Path) -> None:
    try:
        table = pa.concat_tables(rows.iter(batch_size=_ROWS_AT_ONCE))
    except Exception as error:  # as above
        raise _not_fetched(url, error) from error
    captions = _captions_table(table, split, url)
    try:
        CAPTIONS.write(captions, target)
    except OSError as error:
        raise UserError(
            f"{target}: cannot be written ({error.strerror}). Free some space, or set "
            "XDG_CACHE_HOME to another folder, then run the same command."
        ) from error


def _captions_table(table: pa.Table, split: Split, url: str) -> pa.Table:
    rows = enriched_rows(table, split, url)
    caption = clean_captions(rows.column("caption"))
    columns = {
        **{name: rows.column(name) for name in ("image_id", "image", "label", "wnid")},
        "class_name": rows.column("class_name"),
        "captioner": rows.column("captioner"),
        "split": pc.if_else(is_validation(rows.column("image_id")), "validation", "train"),
        "caption_raw": pc.fill_null(rows.column("caption"), ""),
        "caption": caption,
        "quality_flags": pa.array(_flags(table.column("issues"), caption), pa.list_(pa.string())),
    }
    return pa.table(
        [pc.cast(columns[field.name], field.type) for field in CAPTIONS.schema],
        schema=CAPTIONS.schema,
    )


def _flags(issues: pa.ChunkedArray, captions: pa.ChunkedArray) -> list[list[str]]:
    """What the data set says of each image, and what is wrong with its caption."""
    found = zip(issues.to_pylist(), caption_faults(captions).to_pylist(), strict=True)
    return [
        [*_issue_types(of_image), *([f"caption_{fault}"] if fault else [])]
        for of_image, fault in found
    ]


def _issue_types(issues: Any) -> list[str]:
    """Of a list of structs, or of a struct of lists: `datasets` has written both."""
    if isinstance(issues, dict):
        return issues.get("issue_type") or []
    return [issue["issue_type"] for issue in issues or []]


def _not_fetched(what: str, error: Exception) -> UserError:
    reason = str(error).strip().split("\n", 1)[0] or type(error).__name__
    return UserError(
        f"{what}: cannot be fetched ({reason[:200]}). Check the network and run the same command "
        "again: what has been fetched is kept. Or give --captions the path of a local copy."
    )
