"""`verify` finds whatever was changed in a set made from templates, checksums mended or not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.datagen.enriched import imagenet_record, paper_captions, write_own
from tests.datagen.imagenet_tree import GOLDFISH, TENCH, write_train
from vargpt_datagen.build_1270k import Build1270kConfig, build_1270k
from vargpt_datagen.build_class import BuildClassConfig, build_class
from vargpt_datagen.build_eval import BuildEvalConfig, build_eval
from vargpt_datagen.eval_rows import prompt_ids
from vargpt_datagen.publishing import describe
from vargpt_datagen.verify import verify
from vargpt_schema import EVAL_PROMPTS, IMAGE_GEN, INSTRUCT, Message, Table, sample_id_of

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small build of each set: of the world, and of images that ImageNet's names stand for."""
    root = tmp_path_factory.mktemp("builds")
    build_1270k(Build1270kConfig(out=root / "1270k", rows=300))
    build_class(BuildClassConfig(out=root / "class", rows=300))
    build_eval(BuildEvalConfig(out=root / "eval", rows=300))
    build_eval(BuildEvalConfig(out=root / "asked", rows=300, wording="llm"))
    write_train(root / "imagenet" / "train")
    build_class(BuildClassConfig(out=root / "class-imagenet", captions=str(root / "imagenet")))
    records = [
        imagenet_record(f"{TENCH}_{at}", caption=caption, label=0)
        for at, caption in enumerate(paper_captions())
    ]
    captions = write_own(root / "captions.parquet", records)
    build_1270k(Build1270kConfig(out=root / "1270k-imagenet", captions=str(captions)))
    return root


def copied(builds: Path, name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(builds / name, tmp_path / "build"))


def change_manifest(folder: Path, change: Change) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), "utf-8")


def forge(folder: Path, number: int, table: Table[Any], **values: Any) -> None:
    """Change columns of one row, then its id and the checksums so that they agree again."""
    (shard,) = (folder / "data").iterdir()
    rows = table.read(shard).to_pylist()
    row = rows[number]
    row |= values
    if table is INSTRUCT and "sample_id" not in values:
        turns = [Message(**turn) for turn in row["messages"]]
        row["sample_id"] = sample_id_of(row["source"], row["image_id"], row["images"], turns)
    if table is EVAL_PROMPTS and "prompt_id" not in values:
        ids = prompt_ids(row["source"], pa.array([row["image_id"]]), pa.array([row["prompt"]]))
        row["prompt_id"] = ids[0].as_py()
    table.write(pa.Table.from_pylist(rows, schema=table.schema), shard)

    def rehash(manifest: dict[str, Any]) -> None:
        manifest["files"] = [describe(folder / f["path"], folder) for f in manifest["files"]]

    change_manifest(folder, rehash)


def said(prompt: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]


def row_faults(folder: Path) -> list[str]:
    """Without what a forged row changes elsewhere: the card tells the size of the shards."""
    return [fault for fault in verify(folder) if fault.startswith("row ")]


@pytest.mark.parametrize(
    "name", ["1270k", "1270k-imagenet", "class", "class-imagenet", "eval", "asked"]
)
def test_a_fresh_build_is_good(builds: Path, name: str):
    assert verify(builds / name) == []


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"sample_id": "0" * 16}, "sample_id does not belong to its text"),
        (
            {"messages": said("Draw it.", f"Here it is.{IMAGE_GEN}")},
            "its request is not its caption in its template",
        ),
        (
            {"messages": said("Draw it.", f"Here it is.{IMAGE_GEN}")},
            "its answer is not its caption in its template",
        ),
        ({"caption": "a dog"}, "its request is not its caption in its template"),
        ({"caption": None}, "its request is not its caption in its template"),
        ({"prompt_template_id": "p999"}, "prompt_template_id is none of the manifest's"),
        ({"answer_template_id": None}, "answer_template_id is none of the manifest's"),
        ({"method": "llm"}, "method template expected"),
        ({"source": "imagenet"}, "source 'world' expected"),
        ({"label": 1_000}, "label is no class of the sample world"),
        ({"label": None}, "label is no class of the sample world"),
        ({"wnid": TENCH}, "wnid found, none expected"),
        ({"images": ["world/99999999.png"]}, "image is not its scene's"),
        (
            {"image_id": "world-02000000", "images": ["world/02000000.png"]},
            "image_id is no training scene of the sample world",
        ),
        ({"image_id": None}, "image_id is no training scene of the sample world"),
        ({"generator": "deepseek-v3"}, "generator found, none expected"),
        ({"attempts": 1}, "attempts found, none expected"),
        ({"shot_ids": ["pair-001@world-00000001"]}, "shot_ids found, none expected"),
    ],
)
def test_a_changed_row_of_1270k_is_found(
    builds: Path, tmp_path: Path, values: dict[str, Any], fault: str
):
    build = copied(builds, "1270k", tmp_path)
    forge(build, 7, INSTRUCT, **values)
    faults = verify(build)
    assert f"row 7: {fault}" in faults
    assert faults[0].startswith("data: 1 of 300 rows have a fault. Delete manifest.json and run ")


def test_a_row_of_other_templates_than_planned_is_found(builds: Path, tmp_path: Path):
    build = copied(builds, "1270k", tmp_path)
    row = INSTRUCT.read(build).to_pylist()[7]
    other = "p001" if row["prompt_template_id"] != "p001" else "p002"
    templates = json.loads((build / "manifest.json").read_text())["templates"]["prompts"]
    request = templates[other].replace("{caption}", row["caption"])
    messages = said(request, row["messages"][1]["content"])
    forge(build, 7, INSTRUCT, prompt_template_id=other, messages=messages)
    assert row_faults(build) == ["row 7: its templates are not those that the plan gives it"]


def test_a_third_turn_is_found(builds: Path, tmp_path: Path):
    build = copied(builds, "1270k", tmp_path)
    row = INSTRUCT.read(build).to_pylist()[7]
    forge(build, 7, INSTRUCT, messages=[*said("Hello.", "Hello."), *row["messages"]])
    assert "row 7: a request and an answer expected" in verify(build)


def test_a_row_that_stands_twice_is_found(builds: Path, tmp_path: Path):
    build = copied(builds, "1270k", tmp_path)
    rows = INSTRUCT.read(build).to_pylist()
    forge(build, 7, INSTRUCT, **rows[8])
    faults = verify(build)
    assert any("data: 1 rows repeat a sample_id." in fault for fault in faults)
    assert any("data: 1 rows repeat a image_id." in fault for fault in faults)


def test_a_caption_that_is_not_its_scenes_is_found(builds: Path, tmp_path: Path):
    build = copied(builds, "1270k", tmp_path)
    rows = INSTRUCT.read(build).to_pylist()
    first, second = rows[0], rows[1]
    forge(build, 0, INSTRUCT, image_id=second["image_id"], images=second["images"])
    forge(build, 1, INSTRUCT, image_id=first["image_id"], images=first["images"])
    assert "row 0: caption is not its scene's" in verify(build)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"wnid": GOLDFISH}, "image_id is no training image of its wnid"),
        ({"label": 3}, "label is not its wnid's"),
        ({"image_id": "ILSVRC2012_val_00000001"}, "image_id is no training image of its wnid"),
    ],
)
@pytest.mark.parametrize("name", ["1270k-imagenet", "class-imagenet"])
def test_an_image_of_another_class_or_of_validation_is_found(
    builds: Path, tmp_path: Path, name: str, values: dict[str, Any], fault: str
):
    build = copied(builds, name, tmp_path)
    forge(build, 7, INSTRUCT, **values)
    assert f"row 7: {fault}" in verify(build)


@pytest.mark.parametrize(
    ("name", "other"), [("class", "small red circle"), ("class-imagenet", "crane")]
)
def test_a_class_row_of_another_name_is_found(builds: Path, tmp_path: Path, name: str, other: str):
    build = copied(builds, name, tmp_path)
    messages = said(
        f"Please generate a picture about {other}",
        f"The picture of the {other} is as follows: {IMAGE_GEN}",
    )
    forge(build, 7, INSTRUCT, caption=other, messages=messages)
    assert row_faults(build) == ["row 7: caption is not the name of its class"]


@pytest.mark.parametrize("name", ["1270k", "class", "eval"])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda manifest: manifest["counts"].update(rows=299), "counts.rows is 299"),
        (lambda manifest: manifest["config"].update(rows=299), "config.rows"),
        (lambda manifest: manifest["counts"].update(rejects=4), "counts.rejects is 4"),
        (
            lambda manifest: manifest["templates"]["prompts"].update(p1="Draw {caption}."),
            "templates.prompts are not those of its configuration",
        ),
        (lambda manifest: manifest["config"].pop("captions_sha256"), "captions_sha256"),
        (lambda manifest: manifest["templates"].pop("answers"), "templates is not version"),
        (lambda manifest: manifest.pop("templates"), "templates"),
    ],
)
def test_a_changed_manifest_is_found(
    builds: Path, tmp_path: Path, name: str, change: Change, fault: str
):
    build = copied(builds, name, tmp_path)
    change_manifest(build, change)
    assert any(
        found.split(": ")[0].endswith("manifest.json") and fault in found for found in verify(build)
    )


def test_an_overlap_that_does_not_add_up_is_found(builds: Path, tmp_path: Path):
    build = copied(builds, "1270k", tmp_path)
    change_manifest(build, lambda manifest: manifest["overlap_130k"].update(at_least=5))
    assert any("overlap_130k.at_least or found is not 0" in fault for fault in verify(build))


def test_a_template_that_no_build_would_take_is_found(builds: Path, tmp_path: Path):
    build = copied(builds, "1270k", tmp_path)

    def change(manifest: dict[str, Any]) -> None:
        manifest["config"]["templates_sha256"] = "0" * 64
        manifest["templates"]["prompts"]["p001"] = "Draw {caption}, {name}."

    change_manifest(build, change)
    assert any("templates.prompts.p001: another slot" in fault for fault in verify(build))


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"prompt": "Draw it."}, "its prompt is not its caption in its template"),
        ({"prompt_id": "0" * 16}, "prompt_id does not belong to its text"),
        ({"split": "train"}, "split validation expected"),
        ({"source": "imagenet"}, "source 'world' expected"),
        ({"prompt_template_id": "h999"}, "its template is not the one that the plan gives it"),
        ({"prompt_template_id": None}, "no prompt_template_id"),
        ({"image_id": "world-00000001"}, "image_id is no validation scene of the sample world"),
        ({"caption": "a dog"}, "caption is not its scene's"),
        ({"label": None}, "label is not its scene's"),
    ],
)
def test_a_changed_prompt_is_found(
    builds: Path, tmp_path: Path, values: dict[str, Any], fault: str
):
    build = copied(builds, "eval", tmp_path)
    forge(build, 7, EVAL_PROMPTS, **values)
    assert f"row 7: {fault}" in verify(build)


@pytest.mark.parametrize("prompt", ["Draw  a cat.", "", "Draw <image> a cat."])
def test_a_writers_prompt_out_of_form_is_found(builds: Path, tmp_path: Path, prompt: str):
    build = copied(builds, "asked", tmp_path)
    forge(build, 7, EVAL_PROMPTS, prompt=prompt)
    assert "row 7: its prompt is not in the normal form, or holds a token" in verify(build)


@pytest.mark.parametrize(
    ("part", "name"), [("counts", "template_prompts"), ("classes", "fewest_rows")]
)
def test_what_an_evaluation_counts_is_counted_again(
    builds: Path, tmp_path: Path, part: str, name: str
):
    build = copied(builds, "asked", tmp_path)
    change_manifest(build, lambda manifest: manifest[part].__setitem__(name, 77))
    assert any(fault.startswith(f"manifest.json: {part}") for fault in verify(build))


def test_many_rows_with_one_fault_are_listed_in_part_and_counted(builds: Path, tmp_path: Path):
    build = copied(builds, "1270k", tmp_path)
    change_manifest(build, lambda manifest: manifest["config"].update(seed=1))
    faults = verify(build)
    assert any(
        fault.startswith("data: ") and "of 300 rows have a fault" in fault for fault in faults
    )
    assert any("more rows: its templates are not those that the plan" in fault for fault in faults)
    assert len(faults) < 110


def test_a_missing_quality_file_is_told(builds: Path, tmp_path: Path):
    build = copied(builds, "class", tmp_path)
    (build / "quality.json").unlink()
    assert verify(build) == [f"quality.json: missing. Run `datagen report {build}`."]
