"""A folder listing of ImageNet: what is listed, what is left out, what is refused."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.datagen.imagenet_tree import GOLDFISH, TENCH, write_flat_validation, write_train
from vargpt_datagen.imagenet_classes import imagenet_classes
from vargpt_datagen.imagenet_folder import is_imagenet_folder, list_imagenet
from vargpt_schema import UserError


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ImageNet folder that no test changes."""
    root = tmp_path_factory.mktemp("pristine") / "imagenet"
    write_train(root / "train", images_per_class=2)
    return root


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """An ImageNet folder of a test's own."""
    write_train(tmp_path / "imagenet" / "train")
    return tmp_path / "imagenet"


def images(path: Path, image_root: Path | None = None) -> list[str]:
    return list_imagenet(path, "train", image_root).rows.column("image").to_pylist()


def test_every_training_image_is_listed_with_its_class(pristine: Path):
    rows, dropped = list_imagenet(pristine, "train")
    assert (rows.num_rows, dict(dropped)) == (2_000, {})
    assert rows.slice(0, 3).to_pylist() == [
        {
            "image_id": f"{wnid}_{number}",
            "image": f"train/{wnid}/{wnid}_{number}.JPEG",
            "label": label,
            "wnid": wnid,
            "class_name": name,
        }
        for wnid, number, label, name in [
            (TENCH, 1, 0, "tench, Tinca tinca"),
            (TENCH, 2, 0, "tench, Tinca tinca"),
            (GOLDFISH, 1, 1, "goldfish, Carassius auratus"),
        ]
    ]
    assert rows.column("label").to_pylist() == [label for label in range(1_000) for _ in range(2)]


def test_paths_start_at_the_image_root_or_beside_the_splits(pristine: Path, tmp_path: Path):
    assert images(pristine)[0] == f"train/{TENCH}/{TENCH}_1.JPEG"
    assert images(pristine / "train")[0] == f"train/{TENCH}/{TENCH}_1.JPEG"
    assert images(pristine, pristine.parent)[0] == f"imagenet/train/{TENCH}/{TENCH}_1.JPEG"
    assert images(pristine, pristine / "train")[0] == f"{TENCH}/{TENCH}_1.JPEG"
    by_another_name = tmp_path / "ilsvrc"
    by_another_name.symlink_to(pristine)  # a link to the root itself leads nowhere else
    assert images(by_another_name)[0] == f"train/{TENCH}/{TENCH}_1.JPEG"


def test_class_folders_by_themselves_are_their_own_root(imagenet: Path, monkeypatch):
    classes = (imagenet / "train").rename(imagenet / "classes")
    assert images(classes)[0] == f"{TENCH}/{TENCH}_1.JPEG"
    monkeypatch.chdir(classes)
    assert images(Path())[0] == f"{TENCH}/{TENCH}_1.JPEG"


def test_names_are_sorted_within_a_class(imagenet: Path):
    for number in (10, 2):
        shutil.copy(
            imagenet / "train" / TENCH / f"{TENCH}_1.JPEG",
            imagenet / "train" / TENCH / f"{TENCH}_{number}.JPEG",
        )
    names = [image.rpartition("/")[2] for image in images(imagenet)[:3]]
    assert names == [f"{TENCH}_1.JPEG", f"{TENCH}_10.JPEG", f"{TENCH}_2.JPEG"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("Thumbs.db", b"x", "no_image"),
        (f"{TENCH}_7.JPEG.part", b"x", "no_image"),
        (f"{TENCH}_7.JPEG", b"", "empty_file"),
        (f"{GOLDFISH}_7.JPEG", b"x", "other_name"),
        (f"{TENCH}_7 (1).JPEG", b"x", "other_name"),
        ("cat.jpg", b"x", "other_name"),
        ("b\udcff\n.jpg", b"x", "other_name"),
        (f"{TENCH}_\u0667.JPEG", b"x", "other_name"),
        ("ILSVRC2012_val_00000293.JPEG", b"x", "validation_image"),
    ],
)
def test_files_that_are_no_image_of_their_class_are_left_out(name, content, reason, imagenet: Path):
    (imagenet / "train" / TENCH / name).write_bytes(content)
    rows, dropped = list_imagenet(imagenet, "train")
    assert (rows.num_rows, dict(dropped)) == (1_000, {reason: 1})


def test_hidden_files_are_not_even_counted(imagenet: Path):
    (imagenet / "train" / ".cache").mkdir()
    (imagenet / "train" / TENCH / ".DS_Store").write_bytes(b"x")
    rows, dropped = list_imagenet(imagenet, "train")
    assert (rows.num_rows, dict(dropped)) == (1_000, {})


def test_images_beside_the_class_folders_and_folders_within_are_left_out(imagenet: Path):
    (imagenet / "train" / f"{TENCH}_7.JPEG").write_bytes(b"x")
    (imagenet / "train" / f"{TENCH}.tar").write_bytes(b"x")
    (imagenet / "train" / TENCH / f"{TENCH}_8.JPEG").mkdir()
    rows, dropped = list_imagenet(imagenet, "train")
    assert (rows.num_rows, dict(dropped)) == (1_000, {"outside_class_folders": 1, "no_image": 1})


def test_missing_class_folders_are_refused_with_the_first(imagenet: Path):
    for wnid in (GOLDFISH, "n15075141"):
        shutil.rmtree(imagenet / "train" / wnid)
    with pytest.raises(UserError, match=rf"class folders missing: 2 \(first {GOLDFISH}\)"):
        list_imagenet(imagenet, "train")


@pytest.mark.parametrize("name", ["n99999999", "fish", "b\udcff\n"])
def test_foreign_folders_are_refused(name, imagenet: Path):
    (imagenet / "train" / name).mkdir()
    with pytest.raises(UserError, match=r"class folders of no class: 1 \(first") as error:
        list_imagenet(imagenet, "train")
    assert str(error.value).isprintable()


def test_an_empty_class_folder_is_refused(imagenet: Path):
    (imagenet / "train" / GOLDFISH / f"{GOLDFISH}_1.JPEG").unlink()
    (imagenet / "train" / GOLDFISH / "readme.txt").write_bytes(b"x")
    with pytest.raises(UserError, match=rf"train/{GOLDFISH}: no image of this class found \(1 "):
        list_imagenet(imagenet, "train")


def test_an_image_found_twice_under_two_suffixes_is_refused(imagenet: Path):
    (imagenet / "train" / TENCH / f"{TENCH}_1.png").write_bytes(b"x")
    with pytest.raises(UserError, match=f"image_id '{TENCH}_1' found 2 times"):
        list_imagenet(imagenet, "train")


@pytest.mark.parametrize("what", ["file", "class folder", "split folder"])
def test_links_out_of_the_image_root_are_refused(what, imagenet: Path, tmp_path: Path):
    link = {
        "file": imagenet / "train" / TENCH / f"{TENCH}_1.JPEG",
        "class folder": imagenet / "train" / TENCH,
        "split folder": imagenet / "train",
    }[what]
    target = tmp_path / "elsewhere"
    link.rename(target)
    link.symlink_to(target)
    with pytest.raises(UserError, match=r"elsewhere, a place below the image root .* was expected"):
        list_imagenet(imagenet, "train")
    if what != "split folder":  # there, the path below another root could not lead to it
        assert len(images(imagenet, tmp_path)) == 1_000


def test_links_within_the_image_root_are_followed(imagenet: Path):
    (imagenet / "pool").mkdir()
    for link in (
        imagenet / "train" / TENCH / f"{TENCH}_1.JPEG",
        imagenet / "train" / GOLDFISH,
    ):
        link.rename(imagenet / "pool" / link.name)
        link.symlink_to(imagenet / "pool" / link.name)
    assert images(imagenet)[:2] == [
        f"train/{TENCH}/{TENCH}_1.JPEG",
        f"train/{GOLDFISH}/{GOLDFISH}_1.JPEG",
    ]


def test_a_link_to_nothing_is_no_image(imagenet: Path):
    (imagenet / "train" / TENCH / f"{TENCH}_2.JPEG").symlink_to(imagenet / "gone")
    assert dict(list_imagenet(imagenet, "train").dropped) == {"no_image": 1}


def test_an_image_root_elsewhere_is_refused(pristine: Path, tmp_path: Path):
    with pytest.raises(UserError, match="or give another --image-root"):
        list_imagenet(pristine, "train", tmp_path)


def test_a_folder_that_cannot_be_read_is_refused(imagenet: Path, monkeypatch):
    def denied(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(UserError, match=r"train: cannot be listed \(Permission denied\)"):
        list_imagenet(imagenet, "train")


@pytest.mark.parametrize(
    ("path", "split", "part"),
    [
        (".", "validation", "no folder val or validation found"),
        ("train", "validation", "no folder val or validation found"),
        ("val", "train", "no folder train found"),
    ],
)
def test_one_split_is_never_taken_for_the_other(path, split, part, tmp_path: Path):
    write_train(tmp_path / "in" / "train")
    if path == "val":
        (tmp_path / "in" / "train").rename(tmp_path / "in" / "val")
    with pytest.raises(UserError, match=part):
        list_imagenet(tmp_path / "in" / path, split)


def test_validation_images_in_class_folders_are_listed(tmp_path: Path):
    for each in imagenet_classes():
        write_flat_validation(tmp_path / "val" / each.wnid, [1_000 - each.label])
    (tmp_path / "val" / TENCH / f"{TENCH}_1.JPEG").write_bytes(b"x")
    rows, dropped = list_imagenet(tmp_path, "validation")
    assert rows.num_rows == 1_000
    assert rows.slice(0, 1).to_pylist() == [
        {
            "image_id": "ILSVRC2012_val_00001000",
            "image": f"val/{TENCH}/ILSVRC2012_val_00001000.JPEG",
            "label": 0,
            "wnid": TENCH,
            "class_name": "tench, Tinca tinca",
        }
    ]
    assert dict(dropped) == {"other_name": 1}


def test_flat_validation_images_take_their_labels_from_a_file(tmp_path: Path):
    write_flat_validation(tmp_path / "val", [2, 1])
    (tmp_path / "val" / "devkit.txt").write_bytes(b"x")
    (tmp_path / "val.txt").write_text(
        "ILSVRC2012_val_00000001.JPEG 1\nILSVRC2012_val_00000002.JPEG 999\n"
    )
    rows, dropped = list_imagenet(tmp_path, "validation")
    assert rows.column("image").to_pylist() == [
        "val/ILSVRC2012_val_00000001.JPEG",
        "val/ILSVRC2012_val_00000002.JPEG",
    ]
    assert rows.column("label").to_pylist() == [1, 999]
    assert rows.column("wnid").to_pylist() == [GOLDFISH, "n15075141"]
    assert dict(dropped) == {"no_image": 1}


def test_a_validation_image_without_a_label_is_refused(tmp_path: Path):
    write_flat_validation(tmp_path / "val", [1, 2, 3])
    (tmp_path / "val.txt").write_text("ILSVRC2012_val_00000001.JPEG 1\n")
    with pytest.raises(UserError, match=r"2 images are missing .*ILSVRC2012_val_00000002\.JPEG"):
        list_imagenet(tmp_path, "validation")


def test_a_folder_of_images_is_told_from_one_of_captions(pristine: Path, tmp_path: Path):
    assert is_imagenet_folder(pristine)
    assert is_imagenet_folder(pristine / "train")
    assert not is_imagenet_folder(pristine / "train" / TENCH)
    assert not is_imagenet_folder(tmp_path)
    assert not is_imagenet_folder(tmp_path / "missing")
    (tmp_path / "train").mkdir()
    assert is_imagenet_folder(tmp_path)
    (tmp_path / "captions.parquet").write_bytes(b"")
    assert not is_imagenet_folder(tmp_path)
