"""A manifest is data: what is in it is believed only after a look at its types."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.datagen.small_build import row, write_build
from vargpt_datagen.manifest import read_manifest
from vargpt_schema import UserError


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return write_build(tmp_path, [row(0)])


def rewrite(folder: Path, *keys: str | int, value: Any) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    part = manifest
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    path.write_text(json.dumps(manifest), "utf-8")


def test_a_good_manifest_is_read(build: Path):
    assert read_manifest(build)["counts"]["rows"] == 1


@pytest.mark.parametrize(
    "path",
    [
        5,
        None,
        "",
        "../../../../etc/passwd",
        "/etc/passwd",
        "data/../../x.parquet",
        "data/x.parquet/../../y.parquet",
        "data/.x.parquet",
        "data\\x.parquet",
        "data/a/b.parquet",
        "data/x.parquet\n",
        "data/\x1b[2J.parquet",
        ".work/x.parquet",
        "manifest.json",
    ],
)
def test_a_file_that_is_none_of_a_builds_own_is_damage(build: Path, path: object):
    rewrite(build, "files", 0, "path", value=path)
    with pytest.raises(UserError, match=r"damaged \(files\[0\]\.path is not what a build writes"):
        read_manifest(build)


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("name",), 5),
        (("set",), None),
        (("command",), ["rm"]),
        (("config",), None),
        (("captions",), None),
        (("captions", "usable"), "many"),
        (("captions", "dropped"), []),
        (("seeds",), 3),
        (("seeds", "generators"), "me"),
        (("shot_pairs",), "133"),
        (("generators",), ["offline-writer-1"]),
        (("generators",), {"offline-writer-1": "all"}),
        (("counts", "rows"), "1"),
        (("counts", "rows"), True),
        (("counts", "rejects"), -1),
        (("counts",), {"rows": 1}),
        (("rejects_by_reason",), None),
        (("tokens", "prompt"), None),
        (("usd",), "free"),
        (("usd",), float("nan")),
        (("versions",), {"python": 3}),
        (("files",), 3),
        (("files", 0), "data/x.parquet"),
        (("files", 0, "size_bytes"), 1.5),
        (("files", 0, "sha256"), "zz"),
        (("format",), "1"),
    ],
)
def test_a_value_of_another_type_is_damage(build: Path, keys: tuple[str | int, ...], value: Any):
    rewrite(build, *keys, value=value)
    with pytest.raises(UserError, match=r"manifest\.json: damaged \(") as raised:
        read_manifest(build)
    assert str(raised.value).isprintable()


def test_a_file_listed_twice_is_damage(build: Path):
    files = read_manifest(build)["files"]
    rewrite(build, "files", value=files * 2)
    with pytest.raises(UserError, match="is listed twice"):
        read_manifest(build)


def test_a_part_left_out_is_named(build: Path):
    path = build / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    del manifest["versions"]
    path.write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(UserError, match="versions is missing"):
        read_manifest(build)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[" * 100_000, b"null", b"7"])
def test_what_is_no_json_object_is_damage(build: Path, content: bytes):
    (build / "manifest.json").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        read_manifest(build)


def test_a_folder_in_its_place_is_damage(build: Path):
    (build / "manifest.json").unlink()
    (build / "manifest.json").mkdir()
    with pytest.raises(UserError, match="damaged"):
        read_manifest(build)


def test_another_format_is_told_apart_from_damage(build: Path):
    (build / "manifest.json").write_text('{"format": 2}')
    with pytest.raises(UserError, match="format 2 found, this release reads 1"):
        read_manifest(build)
