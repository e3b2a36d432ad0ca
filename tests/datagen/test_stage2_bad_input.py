"""Bad input to `datagen build-stage2`: one line that says where, what, and what to do."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.datagen.command import datagen
from tests.datagen.small_build import row, write_build
from tests.datagen.stage2_inputs import (
    LLAVA_ROWS,
    llava_record,
    onevision_row,
    picture,
    write_inputs,
    write_subset,
)
from vargpt_datagen.stage2.build import Stage2Config, build_stage2
from vargpt_schema import UserError


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with good inputs, for a test to spoil."""
    write_inputs(tmp_path)
    return tmp_path


def refused(folder: Path, **values: object) -> str:
    """The line of a build that must be refused before a folder for it is made."""
    options: dict[str, object] = {
        "llava": folder / "llava.json",
        "onevision": folder / "onevision",
        "instruct": folder / "130k",
        "image_root": folder / "images",
        "weights": folder / "weights.tsv",
        "rows": 240,
        "out": folder / "out",
    }
    with pytest.raises(UserError) as caught:
        build_stage2(Stage2Config(**{**options, **values}))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not (folder / "out" / "manifest.json").exists()
    return str(caught.value)


def test_the_command_ends_with_2_and_one_line(inputs: Path):
    ran = datagen("build-stage2", "--llava", "llava.json", cwd=inputs)
    assert ran.returncode == 2
    assert ran.stderr == (
        "error: datagen build-stage2: --onevision, --instruct, --image-root missing, all of "
        "--llava, --onevision, --instruct, --image-root were expected, or none for the sample "
        "world. Give the others too.\n"
    )


def test_weights_alone_ask_for_the_inputs_they_are_for(inputs: Path):
    line = refused(inputs, llava=None, onevision=None, instruct=None, image_root=None)
    assert "--llava, --onevision, --instruct, --image-root missing" in line


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ("llava", "none: cannot be read (No such file or directory), llava_v1_5_mix665k.json"),
        ("onevision", "none: no such folder, the copy of LLaVA-OneVision-Data"),
        ("instruct", "none: no such folder, a build folder was expected"),
        ("image_root", "none: no such folder, the folder that image paths start in"),
        ("weights", "none: cannot be read (No such file or directory)"),
    ],
)
def test_what_is_not_there_is_named(option, part, inputs: Path):
    assert part in refused(inputs, **{option: inputs / "none"})


def test_no_rows_are_refused(inputs: Path):
    assert "--rows 0: at least 1 was expected" in refused(inputs, rows=0)


def test_broken_json_is_named_with_its_place(inputs: Path):
    path = inputs / "llava.json"
    path.write_text(path.read_text()[:3_000])
    assert f"{path}: broken JSON after record 11, character 3,000 (" in refused(inputs)
    path.write_text('{"id": "1"}')
    assert "after record 0, character 0 ('{' where '[' belongs)" in refused(inputs)


def test_more_rows_than_there_are_say_how_many_would_do(inputs: Path):
    line = refused(inputs, rows=1_000)
    assert "--llava: 136 rows to draw from found, --rows 1,000 needs 565. Give more" in line
    assert line.endswith("or --rows 240.")


def test_a_missing_folder_of_many_pictures_is_a_mistake_and_no_reject(inputs: Path):
    shutil.move(inputs / "images" / "coco", inputs / "coco")
    line = refused(inputs)
    assert f"{inputs / 'images' / 'coco'}: no such folder, the folder of 136 pictures" in line
    (inputs / "images" / "coco").symlink_to(inputs / "coco")
    assert "leads out of the image root, the folder of 136 pictures" in refused(inputs)


def test_an_unknown_subset_in_the_data_is_named(inputs: Path):
    write_subset(inputs / "onevision" / "new_set", [onevision_row(1, picture(1))])
    line = refused(inputs)
    assert "unknown subset new_set, subsets of the weights" in line
    assert "with --weights FILE" in line


def test_an_unknown_subset_in_the_weights_is_named(inputs: Path):
    path = inputs / "weights.tsv"
    path.write_text(path.read_text() + "other\t0.5\tGeneral\tassumed 1\n")
    assert "no folder for other, which the weights" in refused(inputs)
    path.write_text(path.read_text().replace("other\t0.5", "other\t0"))
    assert build_stage2(
        Stage2Config(
            llava=inputs / "llava.json",
            onevision=inputs / "onevision",
            instruct=inputs / "130k",
            image_root=inputs / "images",
            weights=path,
            rows=240,
            out=inputs / "out",
        )
    ).num_rows


def test_the_shipped_weights_ask_for_every_subset_of_the_recipe(inputs: Path):
    line = refused(inputs, weights=None)
    assert "no folder for " in line
    assert " and 71 more, which the weights (shipped) name" in line


def test_other_files_and_hidden_folders_beside_the_subsets_do_no_harm(inputs: Path):
    (inputs / "onevision" / "README.md").write_text("card")
    (inputs / "onevision" / ".cache").mkdir()
    assert "--rows 0" in refused(inputs, rows=0)
    assert "1,000" in refused(inputs, rows=1_000)  # came as far as counting rows


def test_a_subset_without_parquet_is_named(inputs: Path):
    (path,) = (inputs / "onevision" / "iiit5k").iterdir()
    path.rename(path.with_suffix(".tar.gz"))
    assert "iiit5k: no Parquet file found, a subset in the hub's layout" in refused(inputs)


@pytest.mark.parametrize("size", [0, 3, 500])
def test_a_cut_parquet_file_is_named(size, inputs: Path):
    (path,) = (inputs / "onevision" / "iiit5k").iterdir()
    path.write_bytes(path.read_bytes()[:size])
    line = refused(inputs)
    assert line.startswith(f"{path}: not a readable Parquet file")
    assert line.endswith("Download it again.")


def test_damage_inside_a_parquet_file_is_named(inputs: Path):
    (path,) = (inputs / "onevision" / "iiit5k").iterdir()
    content = bytearray(path.read_bytes())
    content[4:2_000] = bytes(1_996)
    path.write_bytes(content)
    assert refused(inputs).startswith(f"{path}: not a readable Parquet file")


@pytest.mark.parametrize(
    ("column", "part"),
    [
        ("conversations", "conversations is list<element: string>"),
        ("image", "image is string"),
        ("id", "no column id"),
    ],
)
def test_columns_of_another_layout_are_named(column, part, inputs: Path):
    (path,) = (inputs / "onevision" / "iiit5k").iterdir()
    table = pq.read_table(path)
    at = table.schema.get_field_index(column)
    other = {
        "conversations": pa.array([["text"]] * table.num_rows),
        "image": pa.array(["a.jpg"] * table.num_rows),
    }
    table = table.set_column(at, column, other[column]) if column in other else table.drop([column])
    pq.write_table(table, path)
    line = refused(inputs)
    assert f"{path}: {part}; columns id, image (bytes, path) and conversations" in line


def test_a_build_of_another_set_is_no_130k(inputs: Path):
    shutil.rmtree(inputs / "130k")
    write_build(inputs / "130k", [row(20)], manifest={"set": "class"})
    assert "a build of set 'class' found, a -130K build was expected" in refused(inputs)


def test_a_130k_that_is_not_what_its_manifest_says_is_refused(inputs: Path):
    (shard,) = (inputs / "130k" / "data").iterdir()
    shard.write_bytes(shard.read_bytes() + b"x")
    line = refused(inputs)
    assert "data/train-00000-of-00001.parquet is not what its manifest says" in line


def test_changed_inputs_on_a_started_folder_are_refused(inputs: Path):
    words = [str(word) for word in write_inputs(inputs)]
    ran = datagen("build-stage2", *words, "--out", "out", cwd=inputs)
    assert ran.returncode == 0, ran.stderr
    records = [llava_record(number) for number in range(LLAVA_ROWS)]
    (inputs / "llava.json").write_text(json.dumps(records))
    ran = datagen("build-stage2", *words, "--out", "out", cwd=inputs)
    assert ran.returncode == 2
    assert "llava_sha256: started with" in ran.stderr
    ran = datagen("build-stage2", *words[:-1], "100", "--out", "out", cwd=inputs)
    assert "rows: 240 published, now 100" in ran.stderr


def test_an_image_root_that_cannot_be_written_is_named(inputs: Path):
    (inputs / "images" / "onevision").write_text("in the way")
    assert f"{inputs / 'images' / 'onevision'}" in refused(inputs)


def test_the_world_has_no_more_rows_than_the_paper(tmp_path: Path):
    ran = datagen("build-stage2", "--rows", 2_000_000, "--out", "out", cwd=tmp_path)
    assert ran.returncode == 2
    assert "--rows 2000000: 1 to 1178298 expected" in ran.stderr
