"""The dataset card of a stage-2 build."""

from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from vargpt_datagen.card import cell
from vargpt_datagen.request import template_text
from vargpt_datagen.stage2.mixture import PAPER_PERCENT

SAMPLE_WORLD = "sample world"
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)


def stage2_card_text(manifest: dict[str, Any]) -> str:
    """The card of a stage-2 build, from its manifest alone."""
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["cell"] = cell
    body = environment.from_string(template_text("stage2_card.jinja")).render(
        **manifest, paper_percent=PAPER_PERCENT, is_sample_world=is_sample_world(manifest)
    )
    front = yaml.safe_dump(_front_matter(manifest), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n{body}\n"


def is_sample_world(manifest: dict[str, Any]) -> bool:
    """Whether the inputs were the sample world's copies."""
    return manifest["inputs"]["onevision"]["weights"] == SAMPLE_WORLD


def _front_matter(manifest: dict[str, Any]) -> dict[str, Any]:
    rows = manifest["counts"]["rows"]
    shards = [file for file in manifest["files"] if file["path"].startswith("data/")]
    return {
        "language": ["en"] if is_sample_world(manifest) else ["en", "zh"],
        "pretty_name": manifest["name"],
        "size_categories": [next((name for limit, name in _SIZES if rows < limit), "n>1T")],
        "task_categories": ["image-text-to-text", "visual-question-answering", "text-to-image"],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        "tags": ["vargpt", "instruction"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
        "dataset_info": {
            "splits": [
                {
                    "name": "train",
                    "num_bytes": sum(file["size_bytes"] for file in shards),
                    "num_examples": rows,
                }
            ]
        },
    }
