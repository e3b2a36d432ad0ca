"""A picture small enough to stand in a page, as a data URI."""

import base64
import io

from PIL import Image

from vargpt_eval.generation.picture_file import decoded

_JPEG_START = b"\xff\xd8"
_JPEG_QUALITY = 80
_JPEG_DATA, _PNG_DATA = "data:image/jpeg;base64,", "data:image/png;base64,"


def thumbnail(data: bytes, name: str, max_side_px: int) -> str | None:
    """Of an encoded file: a photo's as JPEG, any other as PNG. None when it cannot be decoded.

    UserError for one over 4,096 px.
    """
    pixels = decoded(data, name, modes=None)
    if pixels is None:
        return None
    picture = Image.fromarray(pixels)
    picture.thumbnail((max_side_px, max_side_px))
    encoded = io.BytesIO()
    if data.startswith(_JPEG_START):
        start = _JPEG_DATA
        picture.save(encoded, format="JPEG", quality=_JPEG_QUALITY, optimize=True)
    else:
        start = _PNG_DATA
        picture.save(encoded, format="PNG", optimize=True)
    return start + base64.b64encode(encoded.getvalue()).decode()


def is_thumbnail(uri: str) -> bool:
    """Nothing but a picture's own bytes is shown as one, whatever a file says."""
    return uri.startswith((_JPEG_DATA, _PNG_DATA))
