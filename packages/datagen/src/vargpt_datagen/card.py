"""The dataset card: README.md of a build, with front matter that the Hugging Face hub reads."""

import html
import re
from collections.abc import Mapping
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from vargpt_datagen.printable import printable
from vargpt_datagen.request import template_text

_CARDS = {  # by set
    "130k": "card.jinja",
    "class": "card_template_set.jinja",
    "1270k": "card_template_set.jinja",
    "eval": "card_eval.jinja",
}
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
IMAGENET_LICENCE = {
    "license": "other",
    "license_name": "imagenet-terms-plus-text",
    "license_link": "https://image-net.org/download.php",
}
# An underscore within a word is no markup, and names are full of them.
_MARKDOWN = re.compile(r"[\\`*\[\]|~$#!]|(?<!\w)_|_(?!\w)")


def card_text(manifest: dict[str, Any]) -> str:
    """The card of a build, from its manifest alone; LookupError for a set without one."""
    if manifest["set"] == "stage2":
        from vargpt_datagen.stage2.card import stage2_card_text  # which writes its cells as here

        return stage2_card_text(manifest)
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["cell"] = cell
    body = environment.from_string(template_text(_CARDS[manifest["set"]])).render(**manifest)
    front = yaml.safe_dump(_front_matter(manifest), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{body}\n"


def split_of(manifest: Mapping[str, Any]) -> str:
    """The split that a build's shards are named for."""
    return "validation" if manifest["set"] == "eval" else "train"


def cell(text: str) -> str:
    """Text from data as one Markdown table cell that shows it and does nothing else."""
    marked = _MARKDOWN.sub(r"\\\g<0>", printable(" ".join(text.split())))
    return html.escape(marked, quote=False)


def _front_matter(manifest: dict[str, Any]) -> dict[str, Any]:
    rows = manifest["counts"]["rows"]
    split = split_of(manifest)
    shards = [file for file in manifest["files"] if file["path"].startswith("data/")]
    # The world is drawn by the toolkit and others' pictures are not known: the builder chooses.
    is_imagenet = manifest["captions"]["source"] == "imagenet"
    licence = IMAGENET_LICENCE if is_imagenet else {}
    return {
        **licence,
        "language": ["en"],
        "pretty_name": manifest["name"],
        "size_categories": [next((name for limit, name in _SIZES if rows < limit), "n>1T")],
        "task_categories": ["text-to-image", "image-text-to-text"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        "tags": ["synthetic", "vargpt", "instruction"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}-*.parquet"}],
            }
        ],
        "dataset_info": {
            "splits": [
                {
                    "name": split,
                    "num_bytes": sum(file["size_bytes"] for file in shards),
                    "num_examples": rows,
                }
            ]
        },
    }
