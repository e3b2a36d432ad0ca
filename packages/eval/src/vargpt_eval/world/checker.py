"""The checker: reads the scene off a picture, from pixels and nothing else.

Analysis by synthesis: every cell is explained by the bare background or by one object, whichever
leaves the least squared error; a picture unlike even its best explanation is no scene.

9 cells    K = 24 shapes x sizes    C = 8 colours    P pixels of one cell
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vargpt_eval.world.templates import KINDS, templates
from vargpt_schema.world import (
    BACKGROUND_RGB,
    BACKGROUNDS,
    COLOUR_RGB,
    COLOURS,
    POSITIONS,
    Background,
    Scene,
    WorldObject,
)

MIN_SIDE_PX = 32
READING_SIDE_PX = 64  # other sizes are resampled to it, save the smallest
# Root mean square per channel; noise of 20 dB PSNR leaves 27 in the border, at most 16 more in a
# cell, JPEG quality 60 less.
MAX_BORDER_ERROR = 40.0
MAX_EMPTY_CELL_ERROR = 30.0
# Squared error beyond the border's noise, as a share of the object's own contrast. JPEG quality 60
# and noise of 20 dB leave at most 0.27 on drawn scenes, a blob of another form mostly above 0.5.
MAX_UNEXPLAINED_FRAC = 0.4
MAX_BACKGROUND_ERROR = 40.0  # RGB distance of the border's median from a palette colour

# Luma, counted twice, and two chroma channels: JPEG keeps luma at four times the chroma's detail.
_LUMA = np.array([0.299, 0.587, 0.114])
_CHANNELS = np.array(
    [
        2 * _LUMA,
        0.564 * (np.array([0, 0, 1]) - _LUMA),
        0.713 * (np.array([1, 0, 0]) - _LUMA),
    ],
    np.float32,
)
_BACKGROUND_COLOURS = np.array([BACKGROUND_RGB[name] for name in BACKGROUNDS], np.float32)
_OBJECT_COLOURS = np.array([COLOUR_RGB[name] for name in COLOURS], np.float32)


def seen_scene(pixels: NDArray[np.uint8] | Image.Image) -> Scene | None:
    """The complete scene that a picture shows; None when it shows none of the sample world.

    A square picture of at least 32 px; any other shape shows none. ValueError for an array that is
    not (height, width, 3) uint8. More than two objects may be seen where a model drew them.
    """
    image = _at_reading_size(_as_array(pixels))
    if image is None:
        return None
    fit = templates(image.shape[0])
    border = image[fit.border]  # (border pixels, 3)
    background = _nearest_background(border)
    if background is None:
        return None
    ground = _BACKGROUND_COLOURS[BACKGROUNDS.index(background)]
    noise = float(np.mean(((border - ground) @ _CHANNELS.T) ** 2))
    if noise > MAX_BORDER_ERROR**2:
        return None

    cells = (image[fit.rows, fit.columns] - ground) @ _CHANNELS.T  # (9, P, 3)
    contrasts = (_OBJECT_COLOURS - ground) @ _CHANNELS.T  # (C, 3)
    # |cell - mask x contrast|^2 = |cell|^2 - gain, for every mask and contrast at once.
    object_energies = fit.energies[:, :, None] * (contrasts**2).sum(axis=1)  # (9, K, C)
    gains = 2 * (fit.masks @ cells) @ contrasts.T - object_energies  # (9, K, C)
    cell_energies = (cells**2).sum(axis=(1, 2)) - noise * cells[0].size  # (9,)

    objects = []
    for cell, position in enumerate(POSITIONS):
        kind, colour = divmod(int(gains[cell].argmax()), len(COLOURS))
        gain = gains[cell, kind, colour]
        if gain <= 0:
            if cell_energies[cell] > MAX_EMPTY_CELL_ERROR**2 * cells[cell].size:
                return None
            continue
        unexplained = cell_energies[cell] - gain
        if unexplained > MAX_UNEXPLAINED_FRAC * object_energies[cell, kind, colour]:
            return None
        shape, size = KINDS[kind]
        objects.append(WorldObject(shape, COLOURS[colour], size, position))
    return Scene(background, tuple(objects)) if objects else None


def _as_array(pixels: NDArray[np.uint8] | Image.Image) -> NDArray[np.uint8]:
    if isinstance(pixels, Image.Image):
        return np.asarray(pixels.convert("RGB"))
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise ValueError(
            f"pixels must be (height, width, 3) uint8; got {pixels.shape} {pixels.dtype}"
        )
    return pixels


def _at_reading_size(pixels: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """(side, side, 3), side 32 to 64 px; None for pictures that no scene is drawn as."""
    height, width, _ = pixels.shape
    if height != width or height < MIN_SIDE_PX:
        return None
    if height in (MIN_SIDE_PX, READING_SIDE_PX):  # objects lie on whole pixels
        return pixels.astype(np.float32)
    if height % READING_SIDE_PX:
        side = (READING_SIDE_PX, READING_SIDE_PX)
        resized = Image.fromarray(pixels).resize(side, Image.Resampling.BICUBIC)
        return np.asarray(resized, np.float32)
    averaged = Image.fromarray(pixels).reduce(height // READING_SIDE_PX)
    return np.asarray(averaged, np.float32)


def _nearest_background(border: NDArray[np.float32]) -> Background | None:
    median = np.median(border, axis=0)
    distances = np.linalg.norm(_BACKGROUND_COLOURS - median, axis=1)
    nearest = int(distances.argmin())
    return BACKGROUNDS[nearest] if distances[nearest] <= MAX_BACKGROUND_ERROR else None
