"""What a user may type wrongly: one line that says where, what was found, what was expected."""

import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.eval.answered import answer, gqa_rows, write_jsonl, write_table
from tests.eval.command import refusal_here, vargpt_eval
from tests.eval.drawn_images import picture, png
from vargpt_eval.counted import counted
from vargpt_eval.generation.feature_folder import FeatureFolder
from vargpt_eval.generation.image_sources import open_images
from vargpt_schema import UserError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_one_thing_is_no_plural():
    assert [counted(n, "image") for n in (0, 1, 2, 1_204)] == [
        *("0 images", "1 image", "2 images", "1,204 images")
    ]


def test_counts_on_the_last_line_agree_with_their_nouns():
    write_jsonl(Path("gqa.jsonl"), gqa_rows(1, 1))
    ran = vargpt_eval("score", "gqa.jsonl", "--task", "gqa", "--out", "run")
    assert " of 1 answer, subset of 12,578; 0 errors, 0 cut off, 0 fallbacks" in ran.stdout
    assert "1 run, 1 score -> " in vargpt_eval("report", "run", "--out", "page").stdout


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", b"id,answer\n", "a.csv: no Parquet file found"),
        ("a.json", b"[]", "a file whose name ends in .jsonl"),
        ("a.parquet", b"", "a.parquet: not a readable Parquet file"),
    ],
)
def test_answers_are_looked_at_before_items_are_asked_for(name, content, expected):
    Path(name).write_bytes(content)
    assert expected in refusal_here("score", name, "--task", "gqa", "--out", "run")


def test_items_apart_go_with_a_table_alone():
    write_jsonl(Path("gqa.jsonl"), gqa_rows(2, 1))
    words = ("--task", "gqa", "--items", "gqa.jsonl", "--out", "run")
    assert "Leave --items out" in refusal_here("score", "gqa.jsonl", *words)


def test_a_folder_without_answers_is_not_asked_for_items():
    Path("empty").mkdir()
    found = refusal_here("score", "empty", "--task", "gqa", "--out", "run")
    assert "empty: no Parquet file found, a table `answers` was expected" in found


def test_a_run_json_of_another_form_is_named():
    write_jsonl(Path("gqa.jsonl"), gqa_rows(2, 1))
    Path("run").mkdir()
    Path("run/run.json").write_text('{"tasks": 3}')
    found = refusal_here("score", "gqa.jsonl", "--task", "gqa", "--out", "run")
    assert "run/run.json: `tasks` is 3, an object expected" in found


def test_answers_that_name_a_model_do_not_join_those_that_name_none():
    write_jsonl(Path("gqa.jsonl"), gqa_rows(3, 1))
    items = [{k: v for k, v in row.items() if k != "prediction"} for row in gqa_rows(1, 1)]
    write_table(Path("table"), [answer("q0", "left")], items)
    assert vargpt_eval("score", "gqa.jsonl", "--task", "gqa", "--out", "run").returncode == 0
    found = refusal_here("score", "table", "--task", "gqa", "--out", "run")
    assert "a run of model_sha256 not stated found, these answers are of aaaa" in found


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ({"loss": 1.0}, "loss found, scores of benchmarks or drawings expected"),
        ({"gqa": 3}, "no `metrics` of gqa found"),
        ({"gqa": {"metrics": {}}}, "no `n` of gqa found"),
        ({"gen_metrics": {}}, "no `metrics` of gen_metrics found"),
        ({"world": {"right": {}}}, "no `opened` of world found"),
    ],
)
def test_a_summary_that_is_not_this_releases_is_named(summary, expected):
    Path("run").mkdir()
    Path("run/summary.json").write_text(json.dumps(summary))
    assert expected in refusal_here("report", "run", "--out", "page")


@pytest.mark.parametrize("summary", [{"world": {"right": {}}}, {"gen_metrics": 3}])
def test_a_seed_whose_figures_are_not_this_releases_is_named(summary):
    Path("row/seed-0").mkdir(parents=True)
    Path("row/seed-0/summary.json").write_text(json.dumps(summary))
    rows = ("--row", "full=row", "--row", "w/o stage 3=row")
    found = refusal_here("ablations", "--table", 4, *rows, "--out", "page")
    assert "row/seed-0/summary.json: not the figures of this release" in found


@pytest.mark.parametrize("option", ["--data", "--weights"])
def test_a_file_is_no_folder_of_downloads(option):
    Path("notes.txt").write_text("hi")
    assert "notes.txt: a file found, a folder" in refusal_here("doctor", option, "notes.txt")


def statistics(path: str, **more: object) -> str:
    held = {"mu": np.zeros(3), "sigma": np.eye(3), "num_images": np.int64(9), "extractor": "x"}
    np.savez(path, **{**held, **more})
    return path


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"mu": np.array(["a", "b"])}, "a mu that holds no numbers found"),
        ({"num_images": np.array([1, 2])}, "num_images of shape (2,) found"),
        ({"sigma": -np.eye(3)}, "a sigma of negative variances found"),
    ],
)
def test_statistics_that_no_distance_can_be_taken_from_are_refused(arrays, expected):
    found = refusal_here("stats", "show", statistics("a.npz", **arrays))
    assert f"a.npz: {expected}" in found


def test_an_archive_whose_members_are_no_arrays_is_refused():
    with zipfile.ZipFile("a.npz", "w") as archive:
        for name in ("mu.npy", "sigma.npy"):
            archive.writestr(name, b"garbage")
    assert "a mu that holds no numbers found" in refusal_here("stats", "show", "a.npz")


def test_a_part_of_the_statistics_counts_once():
    statistics("a.npz")
    Path("copy.npz").write_bytes(Path("a.npz").read_bytes())
    found = refusal_here("stats", "make", "a.npz", "./a.npz", "--out", "ref.npz")
    assert "a.npz: the file twice found" in found
    found = refusal_here("stats", "make", "a.npz", "copy.npz", "--out", "ref.npz")
    assert "copy.npz: the same statistics as a.npz found" in found
    assert not Path("ref.npz").exists()


def test_a_damaged_part_of_the_statistics_is_named():
    Path("cut.npz").write_bytes(Path(statistics("a.npz")).read_bytes()[:300])
    found = refusal_here("stats", "make", "a.npz", "cut.npz", "--out", "ref.npz")
    assert "cut.npz: not readable" in found


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("f.npy", "--extractor", "x", "--shard", "1/2"), "--shard changes nothing"),
        (("f.npy", "--extractor", "x", "--centre-crop", "8"), "--centre-crop changes nothing"),
        (("a.npz", "--inception", "w.pth"), "a.npz: statistics found, for which --inception"),
    ],
)
def test_options_that_would_change_nothing_are_refused(words, expected):
    np.save("f.npy", np.zeros((4, 3), np.float32))
    statistics("a.npz")
    assert expected in refusal_here("stats", "make", *words, "--out", "ref.npz")


def test_refused_features_are_named_with_their_file():
    np.save("nan.npy", np.full((4, 3), np.nan, np.float32))
    np.save("one.npy", np.zeros((1, 3), np.float32))
    words = ("--extractor", "x", "--out", "ref.npz")
    found = refusal_here("stats", "make", "nan.npy", *words)
    assert "nan.npy: NaN or infinity found in the features of 4 images" in found
    assert "one.npy: 1 image found, at least two" in refusal_here(
        "stats", "make", "one.npy", *words
    )


def image_array(path: str, *, version: tuple[int, int] = (1, 0), num_bytes: int | None = None):
    images = np.arange(6 * 8 * 8 * 3, dtype=np.uint8).reshape(6, 8, 8, 3)
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("arr_0.npy", "w") as file:
            np.lib.format.write_array(file, images, version=version)
        data = archive.read("arr_0.npy") if num_bytes else b""
    if num_bytes:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("arr_0.npy", data[:num_bytes])
    return images


def test_both_forms_of_numpys_header_are_read():
    images = image_array("new.npz", version=(2, 0))
    read = list(open_images(Path("new.npz")).read(4))
    assert [one.tolist() for one in read] == images[4:].tolist()  # pyright: ignore[reportAttributeAccessIssue]


def test_a_damaged_array_of_images_is_named():
    image_array("short.npz", num_bytes=700)
    with pytest.raises(UserError, match=r"short\.npz: a damaged arr_0 found \(2 of 6 images"):
        list(open_images(Path("short.npz")).read(0))
    with zipfile.ZipFile("garbage.npz", "w") as archive:
        archive.writestr("arr_0.npy", b"garbage")
    with pytest.raises(UserError, match=r"garbage\.npz: a damaged arr_0 found"):
        open_images(Path("garbage.npz"))


def test_a_tar_file_that_was_cut_between_two_members_is_not_taken_for_a_whole_one():
    for number in range(3):
        Path(f"{number}.png").write_bytes(png(picture(number)))
    with tarfile.open("all.tar", "w") as archive:
        for number in range(3):
            archive.add(f"{number}.png")
    with tarfile.open("all.tar") as archive:
        start_of_last = archive.getmembers()[2].offset
    assert len(open_images(Path("all.tar")).entries) == 3
    Path("cut.tar").write_bytes(Path("all.tar").read_bytes()[: start_of_last + 200])
    with pytest.raises(UserError, match=r"cut\.tar: not a whole tar file \(its end is missing\)"):
        open_images(Path("cut.tar"))
    Path("empty.tar").write_bytes(b"")
    with pytest.raises(UserError, match=r"empty\.tar: not a whole tar file") as refused:
        open_images(Path("empty.tar"))
    assert "\n" not in str(refused.value)


def test_a_parquet_file_of_images_that_is_damaged_inside_is_named():
    pq.write_table(pa.table({"image": [png(picture(n)) for n in range(6)]}), "a.parquet")
    data = bytearray(Path("a.parquet").read_bytes())
    data[8:400] = bytes(392)
    Path("a.parquet").write_bytes(data)
    source = open_images(Path("a.parquet"))
    with pytest.raises(UserError, match=r"a\.parquet: not a readable Parquet file"):
        list(source.read(0))


@pytest.mark.parametrize("content", ["{}", '{"examples": [3]}', '{"examples": [{"prompt": "x"}]}'])
def test_examples_of_another_form_are_named(content):
    write_jsonl(Path("gqa.jsonl"), gqa_rows(2, 1))
    assert vargpt_eval("score", "gqa.jsonl", "--task", "gqa", "--out", "run").returncode == 0
    Path("run/drawn").mkdir()
    Path("run/drawn/world.json").write_text(content)
    found = refusal_here("report", "run", "--out", "page")
    assert "run/drawn/world.json: no examples of drawn images found" in found


@pytest.mark.parametrize("fault", ["rows lost", "file lost", "state cut", "state of another form"])
def test_features_that_are_not_whole_are_computed_anew_and_never_zeros(fault):
    folder = FeatureFolder(Path("work"), {"of": "a"}, {"x": 3})
    folder.append({"x": np.ones((4, 3))}, {"n": 4})
    assert FeatureFolder(Path("work"), {"of": "a"}, {"x": 3}).num_images == 4
    if fault == "rows lost":
        Path("work/x.f32").write_bytes(Path("work/x.f32").read_bytes()[:12])
    elif fault == "file lost":
        Path("work/x.f32").unlink()
    else:
        Path("work/state.json").write_text("[]" if "form" in fault else "{")
    assert FeatureFolder(Path("work"), {"of": "a"}, {"x": 3}).num_images == 0


@pytest.mark.parametrize("command", [("score", "a.jsonl", "--out", "run"), ("nonsense",)])
def test_a_usage_error_is_plain_text_without_a_box(command):
    ran = vargpt_eval(*command)
    assert ran.returncode == 2
    assert ran.stderr.isascii()
    assert ran.stderr.splitlines()[-1].startswith("Error: ")


def test_pictures_of_any_mode_are_small_in_the_report():
    from vargpt_eval.report.thumbnail import is_thumbnail, thumbnail

    Image.new("RGBA", (400, 200), (255, 0, 0, 128)).save("a.png")
    Image.new("RGB", (400, 200)).save("a.jpg")
    for name, start in (("a.png", "data:image/png"), ("a.jpg", "data:image/jpeg")):
        uri = thumbnail(Path(name).read_bytes(), name, 40)
        assert uri is not None
        assert is_thumbnail(uri)
        assert uri.startswith(start)
    assert thumbnail(b"no picture", "a.png", 40) is None
