"""What a page says its reader has: captions, pictures, weights; all small, in the real layouts."""

from pathlib import Path

from tests.datagen.enriched import imagenet_record, paper_captions, write_enriched, write_own
from vargpt_datagen.imagenet_classes import imagenet_classes

NUM_CAPTIONS = 400


def own_captions(folder: Path) -> None:
    """PATH, a folder with a `captions` table of training images of ImageNet."""
    records = [
        imagenet_record(f"{each.wnid}_{number}", label=number, caption=text, caption_raw=text)
        for number, (each, text) in enumerate(zip(imagenet_classes(), _captions(), strict=False))
    ]
    (folder / "PATH").mkdir()
    write_own(folder / "PATH" / "captions.parquet", records)


def published_captions(folder: Path) -> None:
    """./vl-enriched, as the hub has it."""
    write_enriched(folder / "vl-enriched" / "train-00000-of-00001.parquet", _captions())


def imagenet_and_captioner(folder: Path) -> None:
    """~/imagenet with pictures of its first classes, and ~/blip2 with a few random weights."""
    from PIL import Image

    from tests.datagen.tiny_blip2 import save_tiny_blip2

    for number, each in enumerate(imagenet_classes()[:60]):
        path = folder / "imagenet" / "train" / each.wnid / f"{each.wnid}_{number}.JPEG"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (40, 32), (4 * number, 255 - 4 * number, 99)).save(path)
    save_tiny_blip2(folder / "blip2")


def inputs_of_stage_2(folder: Path) -> None:
    """Files of LLaVA-1.5 and OneVision in the layout of their owners, under the page's names."""
    from tests.datagen.stage2_inputs import write_inputs

    words = [str(word) for word in write_inputs(folder)]
    named = dict(zip(words[::2], words[1::2], strict=True))
    Path(named["--llava"]).rename(folder / "llava_v1_5_mix665k.json")
    Path(named["--onevision"]).rename(folder / "LLaVA-OneVision-Data")


def drawings_and_pictures(folder: Path) -> None:
    """./drawn as `vargpt generate` leaves it; ./images with scenes that no training set shows."""
    from tests.eval.drawn_images import generations
    from tests.eval.hub_layout import drawn_world

    generations(folder / "drawn", 6, side_px=32)
    drawn_world(folder / "images", list(range(2_000_000, 2_000_004)), 32)


def _captions() -> list[str]:
    found = paper_captions()
    return [found[number % len(found)] for number in range(NUM_CAPTIONS)]
