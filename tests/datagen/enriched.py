"""Small Parquet files of captions: visual-layer/imagenet-1k-vl-enriched's layout, and our own."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vargpt_schema import CAPTIONS, CaptionRecord

GOLDEN = Path(__file__).parents[1] / "golden" / "paper_pairs.json"
BOXES = pa.list_(
    pa.struct(
        [("bbox", pa.list_(pa.float32())), ("confidence", pa.float32()), ("label", pa.string())]
    )
)
ENRICHED = pa.schema(
    [
        ("image_id", pa.string()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label", pa.int64()),
        ("label_bbox_enriched", BOXES),
        ("caption_enriched", pa.string()),
        (
            "issues",
            pa.list_(pa.struct([("confidence", pa.float32()), ("issue_type", pa.string())])),
        ),
    ]
)


def paper_captions() -> list[str]:
    """The real BLIP-2 captions that the paper prints."""
    golden = json.loads(GOLDEN.read_text("utf-8"))
    rows = [*golden["pairs_1270k"], *golden["pairs_130k"]]
    return list(dict.fromkeys([*(row["caption"] for row in rows), *golden["captions_only"]]))


def write_enriched(path: Path, captions: list[Any], ids: list[Any] | None = None) -> Path:
    """One file with a row a caption, raw as BLIP-2's multi-GPU script leaves them."""
    ids = ids or [f"n{1440764 + at:08d}_{at}.JPEG" for at in range(len(captions))]
    rows = [
        {
            "image_id": image_id,
            "image": {"bytes": b"never read", "path": image_id},
            "label": at % 1000,
            "label_bbox_enriched": [
                {"bbox": [0.0, 0.0, 9.0, 9.0], "confidence": 0.5, "label": "x"}
            ],
            "caption_enriched": caption,
            "issues": [],
        }
        for at, (image_id, caption) in enumerate(zip(ids, captions, strict=True))
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, ENRICHED), path)
    return path


def own_record(image_id: str, **changes: Any) -> CaptionRecord:
    """A training row of a `captions` table about no known set of pictures."""
    values: dict[str, Any] = {
        "image_id": image_id,
        "image": f"photos/{image_id}.jpg",
        "split": "train",
        "label": 3,
        "wnid": None,
        "class_name": None,
        "caption_raw": "a red ring",
        "caption": "a red ring",
        "captioner": "a-captioner",
        "quality_flags": (),
    }
    return CaptionRecord(**{**values, **changes})


def imagenet_record(image_id: str, **changes: Any) -> CaptionRecord:
    """The same about a training image of ImageNet."""
    wnid = image_id.split("_")[0]
    return own_record(image_id, image=f"train/{wnid}/{image_id}.JPEG", wnid=wnid, **changes)


def world_record(index: int, **changes: Any) -> CaptionRecord:
    """The same about a scene of the sample world, as `datagen world` writes it."""
    values = {"image": f"world/{index:08d}.png", "captioner": "vargpt-sample-world", **changes}
    return own_record(f"world-{index:08d}", **values)


def write_own(path: Path, records: list[CaptionRecord]) -> Path:
    """One file of the `captions` table."""
    CAPTIONS.write(records, path)
    return path
