"""Picture files that ImageNet is known to hold, drawn: CMYK, a PNG named .JPEG, grey, damaged."""

import io
from pathlib import Path

from PIL import Image


def picture(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    """A picture with a slope in it, so that no two places are alike."""
    slope = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (slope, slope.rotate(180), slope)).convert(mode)


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def write_odd_pictures(folder: Path) -> Path:
    """Two plain pictures, four odd ones that can be used, three files that cannot."""
    jpeg = encoded(picture(), "JPEG")
    files = {
        "plain_1.jpg": jpeg,
        "plain_2.png": encoded(picture(), "PNG"),
        "cmyk.JPEG": encoded(picture("CMYK"), "JPEG"),
        "grey.jpg": encoded(picture("L"), "JPEG"),
        "png_inside.JPEG": encoded(picture("RGBA"), "PNG"),
        "palette.gif": encoded(picture("P"), "GIF"),
        "cut_short.jpg": jpeg[: len(jpeg) // 2],
        "empty.jpg": b"",
        "text.jpg": b"<html>not found</html>",
    }
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder
