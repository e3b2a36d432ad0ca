from pathlib import Path

import pytest

from vargpt_datagen.captioning.images import list_images
from vargpt_schema import UserError


def touched(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_names_of_imagenet_tell_class_and_split(tmp_path: Path):
    folder = touched(
        tmp_path,
        "train/n01443537/n01443537_2.JPEG",
        "train/n01440764/n01440764_10026.JPEG",
        "val/ILSVRC2012_val_00000007.JPEG",
        "val/n01443537/ILSVRC2012_val_00000003.JPEG",
    )
    (tmp_path / "val" / "val.txt").write_text("ILSVRC2012_val_00000007.JPEG 65\n")
    rows = list_images(folder).rows.to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        (
            "n01440764_10026",
            "train/n01440764/n01440764_10026.JPEG",
            "train",
            0,
            "n01440764",
            "tench, Tinca tinca",
        ),
        (
            "n01443537_2",
            "train/n01443537/n01443537_2.JPEG",
            "train",
            1,
            "n01443537",
            "goldfish, Carassius auratus",
        ),
        (
            "ILSVRC2012_val_00000007",
            "val/ILSVRC2012_val_00000007.JPEG",
            "validation",
            65,
            "n01751748",
            "sea snake",
        ),
        (
            "ILSVRC2012_val_00000003",
            "val/n01443537/ILSVRC2012_val_00000003.JPEG",
            "validation",
            1,
            "n01443537",
            "goldfish, Carassius auratus",
        ),
    ]


def test_scenes_and_other_pictures_have_ids_and_hidden_and_other_files_are_left_out(tmp_path: Path):
    folder = touched(
        tmp_path,
        "world/00000042.png",
        "holidays/beach.jpg",
        "holidays/.beach.jpg.tmp-1",
        ".cache/thumb.png",
        "notes.txt",
    )
    listed = list_images(folder)
    assert listed.num_other_files == 1
    beach, scene = listed.rows.to_pylist()
    assert (beach["image_id"], beach["split"], beach["label"]) == ("beach", "train", None)
    assert (scene["image_id"], scene["split"], scene["wnid"]) == ("world-00000042", "train", None)
    assert scene["class_name"]


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ((), "no image found (0 other files)"),
        (("a/beach.jpg", "b/beach.png"), "image_id 'beach' found 2 times"),
        (("n99999999/n99999999_1.JPEG",), "n99999999 is no class of ImageNet-1k"),
        (("val/ILSVRC2012_val_00000001.JPEG",), "no file of labels found"),
        (("world/99999999.png",), "no scene of the sample world has this number"),
        (("a\nb.jpg",), "a name of printable characters without backslashes was expected"),
    ],
)
def test_folders_that_cannot_be_captioned_are_refused(
    names: tuple[str, ...], complaint: str, tmp_path: Path
):
    with pytest.raises(UserError) as caught:
        list_images(touched(tmp_path, *names))
    assert complaint in str(caught.value)


def test_links_out_of_the_folder_are_refused_and_a_missing_folder_is_said(tmp_path: Path):
    outside = touched(tmp_path / "outside", "secret.jpg")
    inside = touched(tmp_path / "inside", "fine.jpg")
    (inside / "more").symlink_to(outside)
    with pytest.raises(UserError, match="a link out of the folder found"):
        list_images(inside)
    with pytest.raises(UserError, match="no such folder"):
        list_images(tmp_path / "nowhere")
