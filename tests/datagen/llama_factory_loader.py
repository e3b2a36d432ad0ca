"""What LLaMA-Factory does with a data set before training, as far as a file can be wrong for it.

Written after its loader, aligner and image plugin as VARGPT v1.1 carries them: the same steps, and
an error where it raises one or drops the row.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset, load_dataset

KINDS = {".json": "json", ".jsonl": "json"}
PLACEHOLDERS = ("<image>", "<image_gen>")


class Example(NamedTuple):
    """A row as the trainer gets it."""

    turns: list[tuple[str, str]]  # (user or assistant, text)
    images: list[str] | None  # paths that can be opened as they stand


def load(dataset_dir: Path, name: str, image_dir: Path, cache_dir: Path) -> list[Example]:
    """The rows of an entry of `dataset_info.json`."""
    entry = json.loads((dataset_dir / "dataset_info.json").read_text("utf-8"))[name]
    assert entry["formatting"] == "sharegpt"
    file = dataset_dir / entry["file_name"]
    rows = load_dataset(
        KINDS[file.suffix], data_files=[str(file)], split="train", cache_dir=str(cache_dir)
    )
    assert isinstance(rows, Dataset)
    return [aligned(dict(row), entry, image_dir) for row in rows]


def aligned(row: dict[str, Any], entry: dict[str, Any], image_dir: Path) -> Example:
    """One row under the names of its entry; AssertionError where the loader would balk."""
    tags, columns = entry["tags"], entry["columns"]
    speakers = (tags["user_tag"], tags["assistant_tag"])
    messages = row[columns["messages"]]
    assert messages, "no turns"
    assert len(messages) % 2 == 0, "an odd number of turns is dropped"
    for at, message in enumerate(messages):
        assert message[tags["role_tag"]] == speakers[at % 2], "roles out of turn are dropped"
    turns = [
        ("user" if at % 2 == 0 else "assistant", message[tags["content_tag"]])
        for at, message in enumerate(messages)
    ]
    images = row[columns["images"]] or None
    text = "".join(content for _, content in turns)
    wanted = sum(text.count(placeholder) for placeholder in PLACEHOLDERS)
    assert wanted == len(images or ()), f"{wanted} placeholders, {images} images: ValueError"
    if images:
        images = [
            str(image_dir / image) if (image_dir / image).is_file() else image for image in images
        ]
    return Example(turns, images)
