"""Pictures of the sample world, drawn when asked for, and models small enough for tests."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vargpt_datagen.world import draw
from vargpt_model.image_tokenizer import ImageTokenizerConfig
from vargpt_schema.world import SPLITS, image_path, index_of, scene_at

SMALL = ImageTokenizerConfig(
    vocab_size=16,
    code_dim=4,
    base_channels=8,
    channel_multipliers=(1,),
    stem_stride=8,
    num_res_blocks=1,
    num_norm_groups=4,
    patch_nums=(1, 2),
)  # 16 px, 5 codes


@dataclass(frozen=True)
class WorldPictures:
    """The first training scenes."""

    count: int
    size_px: int = 16

    @property
    def names(self) -> list[str]:
        return [image_path(index) for index in SPLITS["train"][: self.count]]

    def open(self, name: str) -> Image.Image:
        return draw(scene_at(index_of(f"world-{Path(name).stem}")), self.size_px)


def save_pictures(folder: Path, count: int, size_px: int = 16) -> list[str]:
    """The same as files; returns their names."""
    pictures = WorldPictures(count, size_px)
    (folder / "world").mkdir(parents=True, exist_ok=True)
    for name in pictures.names:
        pictures.open(name).save(folder / name)
    return pictures.names
