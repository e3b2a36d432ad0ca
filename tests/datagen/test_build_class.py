"""`datagen build-class`: the paper's wording, every image once, the same bytes however it went."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from tests.datagen.command import datagen, published
from tests.datagen.enriched import own_record, write_own
from tests.datagen.imagenet_tree import TENCH, write_train
from vargpt_datagen.build_class import BuildClassConfig, build_class
from vargpt_datagen.class_wording import class_phrase
from vargpt_datagen.verify import verify
from vargpt_schema import INSTRUCT, InstructRecord, UserError, world


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of ImageNet with two images a class."""
    folder = tmp_path_factory.mktemp("imagenet")
    write_train(folder / "train", images_per_class=2)
    return folder


@pytest.fixture(scope="module")
def built(imagenet: Path) -> Path:
    out = imagenet.parent / "class-imagenet"
    build_class(BuildClassConfig(out=out, captions=str(imagenet)))
    return out


@pytest.fixture(scope="module")
def world_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cwd = tmp_path_factory.mktemp("cwd")
    ran = datagen("build-class", "--rows", 900, cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith("building in class-world\n")
    assert ran.stdout == "900 rows -> class-world\n"
    return cwd / "class-world"


def rows_of(folder: Path) -> list[InstructRecord]:
    return list(INSTRUCT.records(folder))


def texts(row: InstructRecord) -> tuple[str, str]:
    return row.messages[0].content, row.messages[1].content


def test_the_text_is_figure_15_word_for_word(built: Path):
    (row,) = [row for row in rows_of(built) if row.image_id == f"{TENCH}_1"]
    assert texts(row) == (
        "Please generate a picture about tench, Tinca tinca",
        "The picture of the tench, Tinca tinca is as follows: <image_gen>",
    )
    assert (row.images, row.label, row.wnid) == ((f"train/{TENCH}/{TENCH}_1.JPEG",), 0, TENCH)
    assert (row.task, row.method, row.source) == ("generation", "class", "imagenet")
    assert row.caption == "tench, Tinca tinca"


def test_every_image_has_one_row_and_both_cranes_their_own_label(built: Path):
    rows = rows_of(built)
    assert len(rows) == len({row.image_id for row in rows}) == 2_000
    assert Counter(Counter(row.label for row in rows).values()) == {2: 1_000}
    assert {row.label for row in rows if row.caption == "crane"} == {134, 517}
    assert verify(built) == []


def test_manifest_and_card_say_what_it_is(built: Path):
    manifest = json.loads((built / "manifest.json").read_text())
    assert manifest["name"] == "ImageNet-Instruct-class"
    assert manifest["counts"] == {"rows": 2_000, "rejects": 0}
    card = (built / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license_name"] == "imagenet-terms-plus-text"
    assert front["dataset_info"]["splits"][0] == {
        "name": "train",
        "num_bytes": sum(file["size_bytes"] for file in manifest["files"]),
        "num_examples": 2_000,
    }
    assert '134 (the bird) and 517 (the machine) are both "crane"' in card
    assert "{" not in card.replace("`{", "").split("---\n", 2)[2]


def test_images_known_to_be_odd_are_kept_and_told(tmp_path: Path):
    write_train(tmp_path / "train")
    (tmp_path / "train" / "n02105855" / "n02105855_2933.JPEG").write_bytes(b"PNG, for once")
    build_class(BuildClassConfig(out=tmp_path / "out", captions=str(tmp_path)))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["counts"]["rows"], manifest["captions"]["odd"]) == (
        1_001,
        {"png_named_jpeg": 1},
    )
    card = (tmp_path / "out" / "README.md").read_text()
    assert "- 1 of the images to choose from is PNG data under a name that ends with" in card


def test_a_world_build_names_its_classes_and_never_imagenet(world_build: Path):
    assert verify(world_build) == []
    for row in rows_of(world_build)[:50]:
        name = world.class_name(row.label or 0)
        assert texts(row)[0] == f"Please generate a picture about {name}"
    manifest = json.loads((world_build / "manifest.json").read_text())
    assert manifest["name"] == "Sample-World-Instruct-class"
    assert manifest["command"] == "datagen build-class --rows 900"
    assert "**Made from the sample world, not from ImageNet.**" in (
        world_build / "README.md"
    ).read_text("utf-8")


def test_quality_and_report_lie_beside_the_shards(world_build: Path):
    assert {path.name for path in world_build.iterdir()} == {
        ".work", "README.md", "data", "manifest.json", "quality.json", "report.html",
    }  # fmt: skip
    quality = json.loads((world_build / "quality.json").read_text())
    assert quality["requests"]["forms"]["distinct"] == 1
    assert quality["requests"]["class_names"] == {"named_frac": 1.0, "word_recall_mean": 1.0}
    assert quality["pools"] == []
    assert "The captions of these rows are the names of their classes." in (
        world_build / "report.html"
    ).read_text("utf-8")


def test_section_42_has_its_article_and_draws(imagenet: Path, tmp_path: Path):
    config = BuildClassConfig(
        out=tmp_path / "out", captions=str(imagenet), form="section-4.2", name="first-lemma"
    )
    build_class(config)
    found = {row.label: texts(row) for row in rows_of(tmp_path / "out")}
    assert found[0] == (
        "Please generate an image of a tench for me.",
        "The generated image of a tench is as follows: <image_gen>",
    )
    assert found[9][0] == "Please generate an image of an ostrich for me."
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("ostrich, Struthio camelus", "an ostrich, Struthio camelus"),
        ("European fire salamander, Salamandra", "a European fire salamander, Salamandra"),
        ("unicycle, monocycle", "a unicycle, monocycle"),
        ("umbrella", "an umbrella"),
        ("upright, upright piano", "an upright, upright piano"),
        ("hourglass", "an hourglass"),
        ("house finch, linnet", "a house finch, linnet"),
        ("iPod", "an iPod"),
        ("eel", "an eel"),
        ("sunglasses, dark glasses, shades", "sunglasses, dark glasses, shades"),
        ("small red circle on a white background", "a small red circle on a white background"),
    ],
)
def test_a_name_takes_the_article_of_its_sound(name: str, phrase: str):
    assert class_phrase(name, "section-4.2", "full") == phrase
    assert class_phrase(name, "fig15", "full") == name


def test_the_first_lemma_ends_at_the_comma():
    assert class_phrase("tench, Tinca tinca", "fig15", "first-lemma") == "tench"


def test_the_same_command_again_does_nothing_and_another_config_is_refused(world_build: Path):
    before = published(world_build)
    ran = datagen("build-class", "--rows", 900, cwd=world_build.parent)
    assert ran.stdout == "900 rows were published already, nothing to do -> class-world\n"
    ran = datagen("build-class", "--rows", 900, "--form", "section-4.2", cwd=world_build.parent)
    assert ran.returncode == 2
    assert "form: started with 'fig15', now 'section-4.2'" in ran.stderr
    assert published(world_build) == before


def test_rows_raised_give_what_one_build_gives(tmp_path: Path):
    for rows in (150, 400):
        build_class(BuildClassConfig(out=tmp_path / "raised", rows=rows))
    build_class(BuildClassConfig(out=tmp_path / "fresh", rows=400))
    assert published(tmp_path / "raised") == published(tmp_path / "fresh")


def test_a_folder_of_validation_images_alone_is_refused(tmp_path: Path):
    (tmp_path / "val").mkdir()
    ran = datagen("build-class", "--captions", tmp_path, "--out", "out", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("error: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("class_name", "said"),
    [
        (None, "no class name found for image photo-1"),
        ("a <image> of it", "class name 'a <image> of it' found, printable text without"),
        ("two\nlines", r"class name 'two\nlines' found"),
        ("", "class name '' found"),
    ],
)
def test_a_class_name_that_no_row_can_hold_is_told(
    class_name: str | None, said: str, tmp_path: Path
):
    records = [own_record(f"photo-{at}", class_name="cat") for at in (0, 2)]
    path = write_own(
        tmp_path / "c.parquet", [*records, own_record("photo-1", class_name=class_name)]
    )
    with pytest.raises(UserError) as raised:
        build_class(BuildClassConfig(out=tmp_path / "out", captions=str(path)))
    assert said in str(raised.value)
    assert str(raised.value).startswith(str(path))


def test_more_rows_than_images_are_refused(imagenet: Path, tmp_path: Path):
    config = BuildClassConfig(out=tmp_path / "out", captions=str(imagenet), rows=2_001)
    with pytest.raises(UserError, match=r"--rows 2001: .* has 2,000 usable images"):
        build_class(config)
    with pytest.raises(UserError, match=r"--rows 0: "):
        build_class(BuildClassConfig(out=tmp_path / "out", captions=str(imagenet), rows=0))


def test_dry_run_shows_the_first_rows_and_writes_nothing(tmp_path: Path):
    ran = datagen("build-class", "--dry-run", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "Sample-World-Instruct-class in class-world" in ran.stdout
    assert "1,281,167 rows of 1,281,167 usable images (0 dropped)" in ran.stdout
    assert ran.stdout.count("user: Please generate a picture about ") == 3
    assert list(tmp_path.iterdir()) == []


def test_a_config_file_sets_options_and_the_command_line_wins(tmp_path: Path):
    (tmp_path / "c.toml").write_text('rows = 30\nname = "first-lemma"\n')
    ran = datagen("build-class", "--config", "c.toml", "--rows", 20, "--out", "out", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    config = json.loads((tmp_path / "out" / "manifest.json").read_text())["config"]
    assert (config["rows"], config["name"]) == (20, "first-lemma")
