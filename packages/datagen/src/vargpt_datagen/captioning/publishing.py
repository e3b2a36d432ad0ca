"""Publishing a folder of captions: what was skipped, card, manifest."""

import json
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import yaml
from jinja2 import Environment, StrictUndefined

from vargpt_datagen.caption_origin import IMAGENET
from vargpt_datagen.captioning.decoding import ODDITIES
from vargpt_datagen.captioning.shards import Skipped, read_skipped
from vargpt_datagen.card import IMAGENET_LICENCE, cell
from vargpt_datagen.folder import BuildFolder, write_text
from vargpt_datagen.manifest import FORMAT, sorted_counts, versions
from vargpt_datagen.publishing import describe
from vargpt_datagen.request import template_text
from vargpt_schema import CAPTIONS
from vargpt_schema.compute import pc

SET = "captions"
SKIPPED_FILE = "skipped.jsonl"
_PACKAGES = ("pillow", "tokenizers", "torch", "transformers")  # that change what is written


class ShardCounts(NamedTuple):
    """What lies in some shards."""

    rows: int
    rows_by_split: Counter[str]
    skipped: Counter[str]  # images without a row, by reason
    flags: Counter[str]  # rows, by flag
    num_imagenet: int  # rows with a WordNet id
    num_world: int  # rows of the sample world


def publish_captions(
    folder: BuildFolder, shards: Sequence[Path], identity: dict[str, Any], command: str
) -> dict[str, Any]:
    """Write the list of what was skipped, the card and the manifest of whole shards.

    The old manifest goes first: a folder is published or it is not, never half of each.
    """
    for page in (folder.manifest, folder.card):
        page.unlink(missing_ok=True)
    write_text(folder.root / SKIPPED_FILE, skipped_text(shards))
    files = [describe(path, folder.root) for path in shards]
    manifest = _manifest(shard_counts(shards), identity, command, files)
    write_text(folder.card, captions_card(manifest))
    write_text(folder.manifest, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    return manifest


def skipped_text(shards: Sequence[Path]) -> str:
    """JSON Lines of all images that got no row, in the order of the shards."""
    skipped: list[Skipped] = [each for path in shards for each in read_skipped(path)]
    return "".join(json.dumps(each._asdict(), ensure_ascii=False) + "\n" for each in skipped)


def shard_counts(shards: Sequence[Path]) -> ShardCounts:
    """Count rows, flags and skipped images of some shards."""
    counts = ShardCounts(0, Counter(), Counter(), Counter(), 0, 0)
    for path in shards:
        rows = CAPTIONS.read(path, ["split", "wnid", "image_id", "quality_flags"])
        flags = rows.column("quality_flags").combine_chunks().flatten()
        scenes = pc.match_substring_regex(rows.column("image_id"), r"^world-\d{8}$")
        counts = ShardCounts(
            counts.rows + rows.num_rows,
            counts.rows_by_split + _counted(rows.column("split")),
            counts.skipped + Counter(each.reason for each in read_skipped(path)),
            counts.flags + _counted(flags),
            counts.num_imagenet + rows.num_rows - rows.column("wnid").null_count,
            counts.num_world + (pc.sum(scenes).as_py() or 0),
        )
    return counts


def captions_card(manifest: dict[str, Any]) -> str:
    """The card of a folder of captions, from its manifest alone."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["cell"] = cell
    body = environment.from_string(template_text("captions_card.jinja")).render(**manifest)
    splits = sorted(manifest["captioning"]["rows_by_split"])
    front = {
        **(IMAGENET_LICENCE if manifest["captioning"]["source"] == IMAGENET.name else {}),
        "language": ["en"],
        "pretty_name": manifest["name"],
        "task_categories": ["image-to-text", "text-to-image"],
        "annotations_creators": ["machine-generated"],
        "tags": ["synthetic", "vargpt"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": f"data/{split}-*.parquet"} for split in splits
                ],
            }
        ],
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{body}\n"


def _manifest(
    counts: ShardCounts, identity: dict[str, Any], command: str, files: list[dict[str, object]]
) -> dict[str, Any]:
    source = _source(counts)
    prefix = {"imagenet": "ImageNet-", "world": "Sample-World-", "captions": ""}[source]
    return {
        "format": FORMAT,
        "name": f"{prefix}Captions",
        "set": SET,
        "command": command,
        "config": identity,
        "captioning": captioning_part(counts),
        "counts": {"rows": counts.rows, "rejects": counts.skipped.total()},
        "rejects_by_reason": sorted_counts(counts.skipped),
        "versions": versions() | {name: version(name) for name in _PACKAGES},
        "files": files,
    }


def captioning_part(counts: ShardCounts) -> dict[str, Any]:
    """What the manifest tells of rows: whose images, their splits, oddities and faults."""
    odd = Counter({name: count for name, count in counts.flags.items() if name in ODDITIES})
    return {
        "source": _source(counts),
        "rows_by_split": sorted_counts(counts.rows_by_split),
        "odd_images": sorted_counts(odd),
        "faulty_captions": sorted_counts(counts.flags - odd),
    }


def _source(counts: ShardCounts) -> str:
    """Whose images they are, all of them."""
    if counts.rows and counts.num_imagenet == counts.rows:
        return IMAGENET.name
    return "world" if counts.rows and counts.num_world == counts.rows else "captions"


def _counted(column: pa.Array | pa.ChunkedArray) -> Counter[str]:
    counts = pc.value_counts(column).to_pylist()
    return Counter({each["values"]: each["counts"] for each in counts})
