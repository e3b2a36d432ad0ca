"""How many scenes of the sample world survive an image tokenizer, by form and CPU time.

Run: OMP_NUM_THREADS=1 python benchmarks/tiny_image_tokenizer.py --form tiny --steps 5500 --out DIR
Pictures are drawn anew for every step. Prints one table row: scenes whose reconstruction the
checker reads as the scene that was drawn.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from vargpt_datagen.world import draw
from vargpt_eval.world import seen_scene
from vargpt_model.image_tokenizer import ImageTokenizer, ImageTokenizerConfig
from vargpt_model.image_tokenizer.presets import TINY
from vargpt_model.image_tokenizer_folder import open_image_tokenizer
from vargpt_model.image_tokenizer_training import ImageTokenizerTraining, train_image_tokenizer
from vargpt_model.preprocessing import pixels
from vargpt_model.scales import num_codes
from vargpt_model.settings import with_settings
from vargpt_schema.world import SPLITS, Split, image_path, index_of, scene_at, scene_difference

FOUR_SCALES = replace(TINY, vocab_size=512, patch_nums=(1, 2, 4, 8))
FORMS: dict[str, ImageTokenizerConfig] = {
    "tiny": TINY,
    "four scales": FOUR_SCALES,
    "attention": replace(FOUR_SCALES, use_attention=True),
    "levels": replace(
        FOUR_SCALES,
        stem_stride=1,
        channel_multipliers=(1, 2, 4),
        base_channels=16,
        use_attention=True,
    ),
    "8 px a feature": replace(
        FOUR_SCALES, stem_stride=8, base_channels=96, patch_nums=(1, 2, 3, 4)
    ),
    "8 px, 48 px pictures": replace(
        FOUR_SCALES, stem_stride=8, base_channels=96, patch_nums=(1, 3, 6)
    ),
    "16 px, 48 px pictures": replace(
        FOUR_SCALES, stem_stride=16, base_channels=128, patch_nums=(1, 2, 3)
    ),
}


class TrainingScenes(Sequence[str]):
    """Names of all training pictures, without a list of them."""

    def __len__(self) -> int:
        return len(SPLITS["train"])

    def __getitem__(self, place):
        return image_path(SPLITS["train"][place])

    def __iter__(self) -> Iterator[str]:
        return map(image_path, SPLITS["train"])


class DrawnPictures(NamedTuple):
    """Pictures of the world at one size, drawn when asked for."""

    names: Sequence[str]
    size_px: int

    def open(self, name: str) -> Image.Image:
        """The picture of a training scene."""
        return draw(scene_at(index_of(f"world-{Path(name).stem}")), self.size_px)


class Score(NamedTuple):
    """Shares in percent."""

    one_object: float
    all_scenes: float


@torch.inference_mode()
def score(tokenizer: ImageTokenizer, split: Split, count: int) -> Score:
    """Scenes spread over a split that the checker reads off their reconstruction, in full."""
    indices = [SPLITS[split][place * (len(SPLITS[split]) // count)] for place in range(count)]
    right = {1: [], 2: []}
    for start in range(0, count, 50):
        scenes = [scene_at(index) for index in indices[start : start + 50]]
        size_px = tokenizer.config.image_size_px
        images = torch.stack([pixels(draw(scene, size_px)) for scene in scenes])
        rebuilt = tokenizer.decode(tokenizer.encode(images))
        levels = ((rebuilt + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        for scene, picture in zip(scenes, levels, strict=True):
            right[len(scene.objects)].append(not scene_difference(scene, seen_scene(picture)))
    return Score(100 * float(np.mean(right[1])), 100 * float(np.mean(right[1] + right[2])))


def main() -> None:
    """Train one form and print its row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=FORMS, default="tiny")
    parser.add_argument("--steps", type=int, default=5_500)
    parser.add_argument("--count", type=int, default=1_000, help="scenes of each split")
    parser.add_argument("--set-model", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, required=True)
    words = parser.parse_args()
    torch.set_num_threads(1)
    model = with_settings(FORMS[words.form], words.set_model)
    training = with_settings(ImageTokenizerTraining(num_steps=words.steps), words.set)
    started_s = time.process_time()
    train_image_tokenizer(
        DrawnPictures(TrainingScenes(), model.image_size_px), words.out, model, training
    )
    took_s = time.process_time() - started_s
    tokenizer = open_image_tokenizer(words.out)
    held_out, withheld = (
        score(tokenizer, split, words.count) for split in ("validation", "withheld")
    )
    num_parameters = sum(parameter.numel() for parameter in tokenizer.parameters())
    settings = ", ".join([*words.set_model, *words.set]) or "-"
    print("| form | settings | px | codes | parameters | steps | CPU s | ms a step | ", end="")
    print("one object % | all % | withheld, one object % | withheld, all % |")
    print(
        f"| {words.form} | {settings} | {model.image_size_px} | {num_codes(model.patch_nums)} | "
        f"{num_parameters / 1e6:.2f} M | {training.num_steps:,} | {took_s:.0f} | "
        f"{1000 * took_s / training.num_steps:.0f} | {held_out.one_object:.1f} | "
        f"{held_out.all_scenes:.1f} | {withheld.one_object:.1f} | {withheld.all_scenes:.1f} |"
    )


if __name__ == "__main__":
    main()
