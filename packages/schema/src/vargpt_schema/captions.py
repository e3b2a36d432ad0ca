"""Table `captions`: one image and its caption. Written by `datagen caption` and `datagen world`."""

from dataclasses import dataclass

from vargpt_schema.fields import INT, TEXT, TEXTS, optional, required
from vargpt_schema.table import Table, table_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionRecord:
    image_id: str  # original file stem: n01440764_10026, ILSVRC2012_val_00019877, world-00000042
    image: str  # POSIX path relative to one image root
    split: str  # train, validation; the sample world adds withheld
    label: int | None  # class index in label order
    wnid: str | None  # WordNet id; None outside ImageNet
    class_name: str | None  # the source's class name, verbatim
    caption_raw: str  # as the captioner wrote it
    caption: str  # cleaned: one line, no final period, never empty
    captioner: str  # model id and revision, or the world's version
    quality_flags: tuple[str, ...]  # what the source or the cleaning found wrong with it


CAPTIONS = Table(
    name="captions",
    version=1,
    record=CaptionRecord,
    schema=table_schema(
        "captions",
        1,
        [
            required("image_id", TEXT),
            required("image", TEXT),
            required("split", TEXT),
            optional("label", INT),
            optional("wnid", TEXT),
            optional("class_name", TEXT),
            required("caption_raw", TEXT),
            required("caption", TEXT),
            required("captioner", TEXT),
            required("quality_flags", TEXTS),
        ],
    ),
)
