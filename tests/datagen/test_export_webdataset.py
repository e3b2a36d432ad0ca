"""WebDataset: pictures with their bytes unchanged, bad ones listed, a killed export resumed."""

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from PIL import Image

from tests.datagen.command import datagen
from tests.datagen.small_build import row, write_build
from vargpt_datagen.export import export, read_export
from vargpt_datagen.export.picture_files import PictureFile, picture_file
from vargpt_datagen.export.rows import instruct_rows
from vargpt_datagen.export.webdataset import PictureRow, WebDataset, write_webdataset
from vargpt_datagen.progress import progress
from vargpt_datagen.world import png_bytes
from vargpt_schema import INSTRUCT, Message, UserError
from vargpt_schema.world import scene_at


def picture(kind: str = "JPEG", size_px: tuple[int, int] = (40, 30), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size_px, 90).convert(mode).save(buffer, kind)
    return buffer.getvalue()


def build_of(folder: Path, pictures: Sequence[tuple[str, bytes | None]]) -> Path:
    """A build whose rows name these files below its images/; None: there is no such file."""
    for name, data in pictures:
        if data is not None:
            path = folder / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    rows = [
        row(at, images=(name,), source="imagenet", image_id=Path(name).stem)
        for at, (name, _) in enumerate(pictures)
    ]
    return write_build(folder, rows)


def members(tar: Path) -> dict[str, bytes]:
    with tarfile.open(tar) as opened:
        files = ((info.name, opened.extractfile(info)) for info in opened)
        return {name: file.read() for name, file in files if file}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_pictures_keep_their_bytes_and_rows_their_columns(tmp_path: Path):
    photo, drawing = picture(), picture("PNG", mode="L")
    build = build_of(tmp_path / "b", [("n01/a.JPEG", photo), ("n01/b.JPEG", drawing)])
    done = export(build, "webdataset", tmp_path / "set")
    assert (done.num_rows, done.num_skipped) == (2, 0)
    assert names_in(tmp_path / "set") == ["set-000000.tar"]
    first, second = INSTRUCT.read(build).to_pylist()
    found = members(tmp_path / "set" / "set-000000.tar")
    assert list(found) == [  # the contents say what a picture is, and its name does not
        f"{first['sample_id']}.jpg",
        f"{first['sample_id']}.json",
        f"{second['sample_id']}.png",
        f"{second['sample_id']}.json",
    ]
    assert [found[name] for name in list(found)[::2]] == [photo, drawing]
    assert [json.loads(found[name]) for name in list(found)[1::2]] == [first, second]


def test_rows_come_back_with_all_their_columns(tmp_path: Path):
    build = build_of(tmp_path / "b", [(f"{at}.jpg", picture()) for at in range(3)])
    export(build, "webdataset", tmp_path / "set")
    assert read_export(tmp_path / "set").equals(INSTRUCT.read(build))


def test_a_cut_tar_and_a_folder_without_one_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"no \.tar file in it"):
        read_export(tmp_path)
    build = build_of(tmp_path / "b", [("a.jpg", picture())])
    export(build, "webdataset", tmp_path / "set")
    (tar,) = (tmp_path / "set").iterdir()
    tar.write_bytes(tar.read_bytes()[:700])
    with pytest.raises(UserError, match="row 0: cannot be read"):
        read_export(tmp_path / "set")


def test_rows_with_several_pictures_and_none(tmp_path: Path):
    turns = (Message("user", "<image><image>?"), Message("assistant", "Yes."))
    two = replace(row(0), messages=turns, images=("a.jpg", "b.gif"), task="understanding")
    turns = (Message("user", "Hi"), Message("assistant", "Hello."))
    none = replace(row(1), messages=turns, images=(), task="text")
    build = write_build(tmp_path / "b", [two, none])
    (build / "images").mkdir()
    (build / "images" / "a.jpg").write_bytes(picture())
    (build / "images" / "b.gif").write_bytes(picture("GIF", mode="P"))
    export(build, "webdataset", tmp_path / "set")
    endings = [name.partition(".")[2] for name in members(tmp_path / "set" / "set-000000.tar")]
    assert endings == ["jpg", "1.gif", "json", "json"]


def test_datasets_reads_the_tars(tmp_path: Path):
    photos = [picture(size_px=(20 + at, 30)) for at in range(3)]
    build = build_of(tmp_path / "b", [(f"{at}.jpg", photo) for at, photo in enumerate(photos)])
    export(build, "webdataset", tmp_path / "set")
    rows: Any = load_dataset(
        "webdataset",
        data_files=str(tmp_path / "set" / "*.tar"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert [one["jpg"].size for one in rows] == [(20, 30), (21, 30), (22, 30)]
    assert [one["json"]["sample_id"] for one in rows] == [
        one["sample_id"] for one in INSTRUCT.read(build).to_pylist()
    ]


def test_missing_and_broken_pictures_are_listed_and_left_out(tmp_path: Path):
    whole = picture(size_px=(400, 300))
    pictures = [
        ("good.jpg", whole),
        ("gone.jpg", None),
        ("cut.jpg", whole[: len(whole) // 2]),
        ("text.jpg", b"<html>not found</html>"),
        ("empty.jpg", b""),
        ("cut.png", picture("PNG")[:-40]),
    ]
    build = build_of(tmp_path / "b", pictures)
    done = export(build, "webdataset", tmp_path / "set")
    assert (done.num_rows, done.num_skipped) == (1, 5)
    lines = (tmp_path / "set" / "skipped.jsonl").read_text("utf-8").splitlines()
    ids = INSTRUCT.read(build).column("sample_id").to_pylist()
    assert [json.loads(line) for line in lines] == [
        {"sample_id": ids[1], "image": "gone.jpg", "fault": "no such file"},
        {"sample_id": ids[2], "image": "cut.jpg", "fault": "cannot be decoded"},
        {"sample_id": ids[3], "image": "text.jpg", "fault": "cannot be decoded"},
        {"sample_id": ids[4], "image": "empty.jpg", "fault": "cannot be decoded"},
        {"sample_id": ids[5], "image": "cut.png", "fault": "cannot be decoded"},
    ]
    assert len(members(tmp_path / "set" / "set-000000.tar")) == 2


def test_a_link_out_of_the_image_root_is_not_followed(tmp_path: Path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture())
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.jpg").symlink_to(secret)
    assert picture_file(root, "link.jpg") == PictureFile(b"", "", "outside the image root")
    assert picture_file(root, "../secret.jpg").fault == "outside the image root"
    assert picture_file(root, ".").fault == "no such file"


def test_a_picture_with_too_many_pixels_is_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    bomb, good = picture(size_px=(40, 40)), picture(size_px=(20, 20))
    build = build_of(tmp_path / "b", [("bomb.jpg", bomb), ("good.jpg", good)])
    assert export(build, "webdataset", tmp_path / "set").num_skipped == 1
    line = json.loads((tmp_path / "set" / "skipped.jsonl").read_text())
    assert (line["image"], line["fault"]) == ("bomb.jpg", "too many pixels")


def test_a_wrong_image_root_is_said_and_leaves_no_folder(tmp_path: Path):
    build = build_of(tmp_path / "b", [("train/a.jpg", picture())])
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(UserError, match=r"elsewhere: none of the first 1 rows' pictures"):
        export(build, "webdataset", tmp_path / "set", image_root=tmp_path / "elsewhere")
    assert not (tmp_path / "set").exists()


def test_rows_of_real_pictures_need_an_image_root(tmp_path: Path):
    build = write_build(tmp_path / "b", [row(0, source="imagenet")])
    with pytest.raises(UserError, match="with --image-root DIR"):
        export(build, "webdataset", tmp_path / "set")


def test_the_sample_world_is_drawn_where_nothing_lies(tmp_path: Path):
    build = write_build(tmp_path / "b", [row(3), row(4)])
    export(build, "webdataset", tmp_path / "set")
    found = list(members(tmp_path / "set" / "set-000000.tar").items())
    assert found[0][0].endswith(".png")
    assert found[0][1] == png_bytes(scene_at(3), 64)
    assert found[2][1] == png_bytes(scene_at(4), 64)


def numbered(row: PictureRow) -> list[PictureFile]:
    """Ten blocks of bytes that differ by row: no picture, but of a picture's place and size."""
    number = int((row.image_id or "")[-8:])
    return [PictureFile(bytes([number]) * 5_120, "jpg")]


def written(build: Path, out: Path, pictures_of: Any = numbered) -> WebDataset:
    with progress("rows") as show:
        return write_webdataset(
            instruct_rows(build),
            out,
            pictures_of,
            show,
            pictures_from="memory",
            tar_bytes=25_000,  # three rows of 512 + 5,120 + 512 + at most 1,536 bytes
        )


def test_a_tar_ends_before_it_would_grow_too_large(tmp_path: Path):
    build = write_build(tmp_path / "b", [row(at) for at in range(10)], shards=3)
    assert written(build, tmp_path / "set") == WebDataset(10, 0, 4)
    tars = sorted((tmp_path / "set").iterdir())
    assert [tar.name for tar in tars] == [f"set-{at:06d}.tar" for at in range(4)]
    assert [len(members(tar)) // 2 for tar in tars] == [3, 3, 3, 1]
    keys = [name for tar in tars for name in members(tar) if name.endswith(".json")]
    assert [key[:-5] for key in keys] == INSTRUCT.read(build).column("sample_id").to_pylist()
    assert read_export(tmp_path / "set").equals(INSTRUCT.read(build))


def test_a_killed_export_goes_on_and_ends_with_the_same_bytes(tmp_path: Path):
    build = write_build(tmp_path / "b", [row(at) for at in range(12)], shards=2)

    def some_missing(row: PictureRow) -> list[PictureFile]:
        number = int((row.image_id or "")[-8:])
        return [PictureFile(b"", "", "no such file")] if number in (1, 9) else numbered(row)

    def killed_at_8(row: PictureRow) -> list[PictureFile]:
        if row.image_id == "world-00000008":
            raise KeyboardInterrupt
        return some_missing(row)

    asked: list[str | None] = []

    def counted(row: PictureRow) -> list[PictureFile]:
        asked.append(row.image_id)
        return some_missing(row)

    assert written(build, tmp_path / "whole" / "set", some_missing) == WebDataset(10, 2, 4)
    with pytest.raises(KeyboardInterrupt):
        written(build, tmp_path / "set", killed_at_8)
    assert not (tmp_path / "set").exists()
    assert written(build, tmp_path / "set", counted) == WebDataset(10, 2, 4)
    # Two tars were finished: of rows 0, 2, 3 and of 4, 5, 6.
    assert sorted(asked, key=str) == [f"world-{at:08d}" for at in range(7, 12)]
    assert {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "whole" / "set").iterdir()
    }
    assert names_in(tmp_path) == ["b", "set", "whole"]


def test_another_export_to_the_same_place_starts_anew(tmp_path: Path):
    one = write_build(tmp_path / "one", [row(at) for at in range(8)])
    other = write_build(tmp_path / "other", [row(at) for at in range(20, 24)])

    def killed(row: PictureRow) -> list[PictureFile]:
        if row.image_id == "world-00000007":
            raise KeyboardInterrupt
        return numbered(row)

    with pytest.raises(KeyboardInterrupt):
        written(one, tmp_path / "set", killed)
    assert written(other, tmp_path / "set") == WebDataset(4, 0, 2)
    keys = [name for tar in sorted((tmp_path / "set").iterdir()) for name in members(tar)]
    assert len(keys) == 8


def test_two_exports_to_one_place_are_one_too_many(tmp_path: Path):
    build = write_build(tmp_path / "b", [row(0)])

    def nested(_: PictureRow) -> list[PictureFile]:
        written(build, tmp_path / "set")
        raise AssertionError("the second export was let in")

    with pytest.raises(UserError, match="another process is exporting to it"):
        written(build, tmp_path / "set", nested)


def test_the_command_counts_what_it_left_out(tmp_path: Path):
    build = build_of(tmp_path / "b", [("a.jpg", picture()), ("b.jpg", None)])
    ran = datagen("export", build, "--format", "webdataset", "--out", "set", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "1 rows, 1 without pictures left out -> set\n"
