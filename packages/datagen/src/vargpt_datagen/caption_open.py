"""What `--captions` names, opened for builds that ask for one caption after another."""

from pathlib import Path

from vargpt_datagen.caption_parquet import ParquetCaptions
from vargpt_datagen.caption_source import CaptionSource, WorldCaptions
from vargpt_datagen.hub_captions import hub_captions


def caption_source(captions: str) -> CaptionSource:
    """Training captions of "world", of "hub", or of a Parquet file or folder.

    UserError where they cannot be reached or are not what a build can stand on.
    """
    if captions == "world":
        return WorldCaptions()
    return ParquetCaptions(hub_captions("train") if captions == "hub" else Path(captions))
