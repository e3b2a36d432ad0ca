"""Small inputs of `build-stage2` in the layouts of the real ones, each part as a test wants it."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.datagen.small_build import row, write_build

ROWS = 240  # 136 of LLaVA, 102 and 1 of OneVision, 1 of -130K
LLAVA_ROWS = 136  # all of the file, as with the paper's 665,298
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SAID = pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))
WEIGHTS = """\
subset\tweight\tcategory\tsource
ai2d(gpt4v)\t1\tDoc/Chart/Screen\tassumed 1
iiit5k\t1\tGeneral OCR\tassumed 1
magpie_pro(l3_80b_mt)\t1\tLanguage\tassumed 1
K12 Printing\t0\tGeneral OCR\tleft out
"""


def picture(number: int, format_name: str = "JPEG", size_px: int = 24) -> bytes:
    """A picture of one colour; other numbers give other bytes."""
    colour = (number % 256, number // 256 % 256, 90)
    buffer = io.BytesIO()
    Image.new("RGB", (size_px, size_px), colour).save(buffer, format_name)
    return buffer.getvalue()


def said(*texts: str) -> list[dict[str, str]]:
    """Turns as LLaVA stores them, a person first."""
    return [{"from": ("human", "gpt")[at % 2], "value": text} for at, text in enumerate(texts)]


def llava_record(number: int) -> dict[str, Any]:
    """A good record with a picture in coco/train2017."""
    turns = said(f"<image>\nQuestion {number}?", f"Answer {number}.")
    return {"id": f"{number}", "image": f"coco/train2017/{number:012d}.jpg", "conversations": turns}


def write_llava(folder: Path, records: Sequence[Any]) -> Path:
    """The JSON, and a picture for every number of a record, below `folder/images`."""
    (folder / "images" / "coco" / "train2017").mkdir(parents=True, exist_ok=True)
    for number in range(len(records)):
        (folder / "images" / llava_record(number)["image"]).write_bytes(picture(number))
    path = folder / "llava.json"
    path.write_text(json.dumps(records, indent=2), "utf-8")
    return path


def onevision_row(number: int, data: bytes | None) -> dict[str, Any]:
    """A good row; without data it has no picture."""
    start = "" if data is None else "<image>\n"
    image = None if data is None else {"bytes": data, "path": None}
    turns = said(f"{start}Task {number}?", f"Result {number}.")
    return {"id": f"ov{number}", "image": image, "conversations": turns, "data_source": "x"}


def write_subset(
    folder: Path, rows: Sequence[Mapping[str, Any]], *, files: int = 1, group_rows: int = 10
) -> Path:
    """One config's folder in the hub's layout."""
    folder.mkdir(parents=True, exist_ok=True)
    has_pictures = any(row["image"] is not None for row in rows)
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("image", IMAGE if has_pictures else pa.null()),
            ("conversations", SAID),
            ("data_source", pa.string()),
        ]
    )
    for file in range(files):
        part = rows[len(rows) * file // files : len(rows) * (file + 1) // files]
        path = folder / f"train-{file:05d}-of-{files:05d}.parquet"
        pq.write_table(pa.Table.from_pylist(list(part), schema), path, row_group_size=group_rows)
    return folder


def write_onevision(folder: Path) -> Path:
    """Three subsets that are drawn from and one that is not; two of them have pictures."""
    root = folder / "onevision"
    jpegs = [onevision_row(number, picture(1_000 + number)) for number in range(60)]
    pngs = [onevision_row(number, picture(2_000 + number, "PNG")) for number in range(60, 120)]
    write_subset(root / "ai2d(gpt4v)", jpegs, files=2)
    write_subset(root / "iiit5k", pngs)
    texts = [onevision_row(number, None) for number in range(200, 206)]
    write_subset(root / "magpie_pro(l3_80b_mt)", texts)
    write_subset(root / "k12_printing", [onevision_row(300, picture(3_000))])
    return root


def write_instruct(folder: Path) -> Path:
    """A -130K folder of five rows, with their pictures."""
    (folder / "images" / "world").mkdir(parents=True, exist_ok=True)
    numbers = range(10, 15)  # not those of the shots
    for number in numbers:
        path = folder / "images" / "world" / f"{number:08d}.png"
        path.write_bytes(picture(4_000 + number, "PNG"))
    return write_build(folder / "130k", [row(number) for number in numbers])


def write_inputs(folder: Path, records: Sequence[Any] | None = None) -> list[object]:
    """All inputs below a folder; returns the words of the command line that name them."""
    llava = write_llava(folder, records or [llava_record(number) for number in range(LLAVA_ROWS)])
    (folder / "weights.tsv").write_text(WEIGHTS, "utf-8")
    return [
        *("--llava", llava),
        *("--onevision", write_onevision(folder)),
        *("--instruct", write_instruct(folder)),
        *("--image-root", folder / "images"),
        *("--weights", folder / "weights.tsv"),
        *("--rows", ROWS),
    ]
