"""Labels of a flat folder of validation images, from the files that go round."""

from pathlib import Path

import pytest

from vargpt_datagen.imagenet_labels import read_validation_wnids
from vargpt_schema import UserError

FIRST, SECOND = "ILSVRC2012_val_00000001", "ILSVRC2012_val_00000002"


@pytest.fixture
def val(tmp_path: Path) -> Path:
    folder = tmp_path / "imagenet" / "val"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "LOC_val_solution.csv",
            "ImageId,PredictionString\n"
            f"{SECOND},n15075141 1 2 3 4 n15075141 5 6 7 8 \n{FIRST},n01440764 85 1 499 272 \n",
        ),
        ("imagenet_2012_validation_synset_labels.txt", "n01440764\nn15075141\n"),
        ("val.txt", f"{FIRST}.JPEG 0\r\n{SECOND}.JPEG 999\r\n\r\n"),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_every_known_file_is_read_in_the_folder_or_beside_it(name, text, beside, val: Path):
    (val.parent if beside else val).joinpath(name).write_bytes(text.encode())
    assert read_validation_wnids(val) == {FIRST: "n01440764", SECOND: "n15075141"}


def test_no_file_at_all_is_refused_with_the_names_of_those_that_serve(val: Path):
    (val.parent / "ILSVRC2012_validation_ground_truth.txt").write_text("490\n361\n")
    with pytest.raises(UserError, match=r"no file of labels found, one of LOC_val_solution\.csv"):
        read_validation_wnids(val)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("490", "'490'"),  # the archive's own number: another order
        (f"{SECOND}.JPEG 1000", "JPEG 1000'"),
        (f"{SECOND}.JPEG", "JPEG'"),
        ("n0144076", "'n0144076'"),
        ("\x1b[2J", r"'\\x1b\[2J'"),
    ],
)
def test_a_line_that_is_something_else_is_refused_by_its_number(line, said, val: Path):
    (val / "val.txt").write_text(f"{FIRST}.JPEG 0\n{line}\n")
    with pytest.raises(UserError, match=rf"val\.txt: line 2 is .*{said}"):
        read_validation_wnids(val)
