"""The sample world's subsets in the form of LLaVA-OneVision-Data, a few rows with its faults."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_datagen.stage2.mixture import LANGUAGE, Category
from vargpt_datagen.stage2.sample_llava import llava_sample, picture_bytes
from vargpt_datagen.stage2.sample_texts import (
    Said,
    arithmetic_turns,
    choice_turns,
    description_turns,
    language_turns,
    question_turns,
    said,
)
from vargpt_datagen.stage2.weights import COLUMNS
from vargpt_schema.world.hashing import mixed

_FIRST_SCENE = 600_000  # LLaVA's copies show the scenes before it
_GROUP_ROWS = 100
_ROWS_PER_FILE = 500
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_SAID = pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))


class SampleSubset(NamedTuple):
    """One copied config."""

    name: str
    category: Category
    weight: float
    share: float  # of the recipe's image rows, or of its language rows
    format: str  # of its pictures; "" without pictures
    turns: Callable[[int], Said]


def _questions(count: int) -> Callable[[int], Said]:
    return partial(question_turns, num_questions=count)


_GENERAL: Category = "General"
_DOC: Category = "Doc/Chart/Screen"
_MATH: Category = "Math/Reasoning"
_OCR: Category = "General OCR"
_ONE_REQUEST = partial(language_turns, num_requests=1)
SUBSETS = (
    SampleSubset("aokvqa(cauldron,llava_format)", _GENERAL, 1, 0.10, "JPEG", choice_turns),
    SampleSubset("sharegpt4v(coco)", _GENERAL, 1, 0.12, "JPEG", description_turns),
    SampleSubset("vision_flan(filtered)", _GENERAL, 1, 0.16, "JPEG", _questions(1)),
    SampleSubset("clevr(cauldron,llava_format)", _GENERAL, 0.25, 0.04, "PNG", _questions(4)),
    SampleSubset("ai2d(gpt4v)", _DOC, 1, 0.10, "PNG", description_turns),
    SampleSubset("chartqa(cauldron,llava_format)", _DOC, 1, 0.14, "PNG", _questions(2)),
    SampleSubset("CLEVR-Math(MathV360K)", _MATH, 1, 0.10, "PNG", choice_turns),
    SampleSubset("geo170k(qa)", _MATH, 1, 0.12, "JPEG", _questions(1)),
    SampleSubset("mathqa", _MATH, 1, 0.02, "", arithmetic_turns),
    SampleSubset("iiit5k", _OCR, 1, 0.04, "PNG", _questions(1)),
    SampleSubset("rendered_text(cauldron)", _OCR, 1, 0.06, "PNG", description_turns),
    SampleSubset("k12_printing", _OCR, 0, 0.01, "PNG", _questions(1)),
    SampleSubset(
        "magpie_pro(l3_80b_mt)", LANGUAGE, 0.5, 0.4, "", partial(language_turns, num_requests=3)
    ),
    SampleSubset("magpie_pro(l3_80b_st)", LANGUAGE, 0.5, 0.3, "", _ONE_REQUEST),
    SampleSubset("magpie_pro(qwen2_72b_st)", LANGUAGE, 0.5, 0.3, "", _ONE_REQUEST),
)


def weights_text() -> str:
    """The weights file of the copies."""
    lines = ["\t".join(COLUMNS)]
    for subset in SUBSETS:
        source = "VARGPT leaves it out" if subset.weight == 0 else "the sample world's"
        lines.append(f"{subset.name}\t{subset.weight:g}\t{subset.category}\t{source}")
    return "\n".join(lines) + "\n"


def write_subsets(
    folder: Path, image_rows: int, language_rows: int, show: Callable[[int, int], None]
) -> None:
    """Write every config so that the recipe holds so many rows of both kinds."""
    done, first = 0, _FIRST_SCENE
    sizes = [
        math.ceil(
            (language_rows if subset.category == LANGUAGE else image_rows)
            * subset.share
            / (subset.weight or 1)
        )
        for subset in SUBSETS
    ]
    for subset, size in zip(SUBSETS, sizes, strict=True):
        target = folder / subset.name
        target.mkdir(parents=True, exist_ok=True)
        num_files = math.ceil(size / _ROWS_PER_FILE)
        for file in range(num_files):
            start, end = size * file // num_files, size * (file + 1) // num_files
            rows = [_row(subset, first + number) for number in range(start, end)]
            path = target / f"train-{file:05d}-of-{num_files:05d}.parquet"
            pq.write_table(_table(subset, rows), path, row_group_size=_GROUP_ROWS)
            done += len(rows)
            show(done, sum(sizes))
        first += size


def _row(subset: SampleSubset, number: int) -> dict[str, Any]:
    fate = mixed(number ^ (41 << 50)) % 1_000
    row_id = f"{subset.name.partition('(')[0]}_{number:08d}"
    turns = subset.turns(number)
    data = picture_bytes(number, subset.format) if subset.format else b""
    if subset.format and fate in range(4):
        data = b"no picture"
    elif subset.format and fate in range(4, 9):  # none, as GeomVerse has it
        turns = [*said(turns[0]["value"].removeprefix("<image>\n")), *turns[1:]]
    elif subset.name.startswith("aokvqa") and fate in range(100, 150):
        twin = llava_sample(fate)  # a row of LLaVA-1.5 again
        if twin.data:
            turns, data = twin.record["conversations"], twin.data
    image = {"bytes": data, "path": None} if subset.format else None
    return {
        "id": row_id,
        "image": image,
        "conversations": turns,
        "data_source": subset.name,
    }


def _table(subset: SampleSubset, rows: list[dict[str, Any]]) -> pa.Table:
    value = {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = {
        "id": value,
        # A column that was empty when it was uploaded has lost its type.
        "image": {"_type": "Image"} if subset.format else {"dtype": "null", "_type": "Value"},
        "conversations": [{"from": value, "value": value}],
        "data_source": value,
    }
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("image", _IMAGE if subset.format else pa.null()),
            ("conversations", _SAID),
            ("data_source", pa.string()),
        ],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    return pa.Table.from_pylist(rows, schema)
