"""Pictures of the sample world as training sees them, and the scenes that they show."""

from functools import lru_cache
from pathlib import Path

from PIL import Image

from vargpt_model.pictures import PictureFolder
from vargpt_schema import CAPTIONS
from vargpt_schema.errors import UserError
from vargpt_schema.world import SPLITS, Scene, image_path, index_of, scene_at

CACHED = 100_000  # pictures; 3 kB each at 32 px


class World:
    """Rows of a world's `captions` table, in its order."""

    def __init__(self, data: Path, image_root: Path) -> None:
        """`data` is a `captions` table, or a folder of `datagen world`, which has one.

        UserError for a table that is missing, empty, or not of training scenes of the world.
        """
        beside_others = data / "captions.parquet"
        self.captions = beside_others if beside_others.is_file() else data
        ids = CAPTIONS.read(self.captions, columns=["image_id"]).column("image_id").to_pylist()
        self.indices = [index_of(image_id) for image_id in ids]
        strange = [index for index in self.indices if index not in SPLITS["train"]]
        if strange or not self.indices:
            found = f"scene {strange[0]}, of no training split" if strange else "no row"
            raise UserError(
                f"{self.captions}: {found} found, training scenes of the sample world were "
                "expected. Make a folder with `datagen world --rows 20000 --size PX --out DIR`."
            )
        self.names = [image_path(index) for index in self.indices]
        self.pictures = PictureFolder(image_root, self.names)
        self._open = lru_cache(maxsize=CACHED)(self.pictures.open)

    def scene(self, row: int) -> Scene:
        """What the picture of a row shows."""
        return scene_at(self.indices[row])

    def picture(self, row: int) -> Image.Image:
        """In RGB; UserError when it cannot be read."""
        return self._open(self.names[row])
