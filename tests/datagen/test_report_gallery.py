"""Pictures of rows: world rows are drawn, files are read with care."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from vargpt_datagen.build_rows import BuildRow
from vargpt_datagen.report.gallery import SIDE_PX, Picture, picture_of
from vargpt_datagen.world import png_bytes
from vargpt_schema import Message
from vargpt_schema.world import scene_at


def build_row(image: str | None, *, source: str = "imagenet", image_id: str = "n01") -> BuildRow:
    return BuildRow(
        number=0,
        sample_id="0" * 16,
        turns=(Message("user", "p"), Message("assistant", "a")),
        image=image,
        caption="a dog",
        image_id=image_id,
        source=source,
        method="llm",
        seed_ids={},
        template_ids={},
        shot_ids=(),
        generator=None,
        attempts=None,
    )


def decoded(picture: Picture) -> Image.Image:
    assert picture.uri
    kind, data = picture.uri.split(";base64,")
    assert kind in ("data:image/jpeg", "data:image/png")
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_world_row_is_drawn_from_its_id():
    found = picture_of(
        build_row("world/00000042.png", source="world", image_id="world-00000042"), None
    )
    data = base64.b64encode(png_bytes(scene_at(42), SIDE_PX)).decode()
    assert found == Picture(f"data:image/png;base64,{data}", "")


def test_a_world_row_with_a_strange_id_has_a_placeholder():
    found = picture_of(build_row("world/1.png", source="world", image_id="world-99999999"), None)
    assert found == Picture(None, "not a scene of the sample world")


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("L", "PNG"), ("P", "PNG")],
)
def test_a_file_becomes_a_small_rgb_picture_whatever_it_is_called(
    tmp_path: Path, mode: str, kind: str
):
    Image.new(mode, (1000, 500)).save(tmp_path / "a.JPEG", kind)
    small = decoded(picture_of(build_row("a.JPEG"), tmp_path))
    assert (small.mode, small.size) == ("RGB", (256, 128))


def test_files_outside_the_image_root_are_never_read(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    for image in ("../secret.png", "link.png", str(tmp_path / "secret.png")):
        assert picture_of(build_row(image), root) == Picture(None, "outside the image root")


def test_what_cannot_be_shown_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = io.BytesIO()
    Image.effect_noise((300, 300), 50).save(whole, "PNG")
    (tmp_path / "cut.png").write_bytes(whole.getvalue()[:2_000])
    (tmp_path / "text.png").write_text("<script>")
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    (tmp_path / "folder.png").mkdir()
    Image.new("1", (5_000, 5_000)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000_000)

    def why(image: str | None, root: Path | None = tmp_path) -> str:
        found = picture_of(build_row(image), root)
        assert found.uri is None
        return found.missing

    assert why("none.png") == "no such file"
    assert why("folder.png") == "no such file"
    assert why("cut.png") == "cannot be decoded"
    assert why("text.png") == "cannot be decoded"
    assert why("a.gif") == "cannot be decoded"
    assert why("bomb.png") == "too many pixels"
    assert why("nul\0.png") == "cannot be decoded"
    assert why("a" * 5_000) == "cannot be decoded"
    assert why("cut.png", None) == "no image root given"
    assert why(None) == "no image"
