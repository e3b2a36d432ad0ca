"""`datagen build-1270k`: captions verbatim in templates, evenly chosen, resumable, beside -130K."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.datagen.command import START, datagen, published
from tests.datagen.enriched import imagenet_record, paper_captions, write_own
from tests.datagen.imagenet_tree import TENCH
from tests.datagen.small_build import row, write_build
from vargpt_datagen.build_1270k import Build1270kConfig, build_1270k
from vargpt_datagen.verify import verify
from vargpt_datagen.wording_templates import shipped_templates
from vargpt_schema import IMAGE_GEN, INSTRUCT, InstructRecord, UserError

MINE = """
version = 7
[prompts]
p1 = "Draw {caption}."
p2 = "Could I see {caption}?"
[answers]
a1 = "This is {caption}."
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6,000 rows of the world, built by the command in its default folder."""
    cwd = tmp_path_factory.mktemp("cwd")
    ran = datagen("build-1270k", "--rows", 6_000, cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "6,000 rows -> 1270k-world\n"
    return cwd / "1270k-world"


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """The captions that the paper prints, as images of one class."""
    records = [
        imagenet_record(f"{TENCH}_{at}", caption=caption, label=0)
        for at, caption in enumerate(paper_captions())
    ]
    return write_own(tmp_path / "captions.parquet", records)


def rows_of(folder: Path) -> list[InstructRecord]:
    return list(INSTRUCT.records(folder))


def test_the_caption_is_verbatim_and_the_same_on_both_sides(built: Path):
    templates = shipped_templates()
    prompts = {each.template_id: each for each in templates.prompts}
    answers = {each.template_id: each for each in templates.answers}
    for found in rows_of(built):
        prompt = prompts[found.prompt_template_id or ""]
        answer = answers[found.answer_template_id or ""]
        assert found.caption
        assert found.messages[0].content == prompt.before + found.caption + "."
        assert found.messages[1].content == f"{answer.before}{found.caption}.{IMAGE_GEN}"
        assert (found.method, found.task, found.generator) == ("template", "generation", None)


def test_verify_passes_and_no_image_comes_twice(built: Path):
    assert verify(built) == []
    assert len({found.image_id for found in rows_of(built)}) == 6_000


def test_templates_are_used_evenly_and_sides_do_not_depend_on_each_other(built: Path):
    quality = json.loads((built / "quality.json").read_text())
    assert [(pool["pool"], pool["size"], pool["used"]) for pool in quality["pools"]] == [
        ("Request templates", 304, 304),
        ("Answer templates", 96, 96),
    ]
    assert all(pool["uniformity"]["p_value"] > 0.001 for pool in quality["pools"])
    rows = rows_of(built)
    pairs = {(found.prompt_template_id, found.answer_template_id) for found in rows}
    assert len(pairs) > 5_000  # of 29,184; as many as there are draws if one did fix the other: 304


def test_the_report_shows_which_template_is_which(built: Path):
    page = (built / "report.html").read_text("utf-8")
    assert "p001 I need a visualized scene of {caption}." in page
    assert "Request templates" in page
    assert 'id="money"' not in page


def test_captions_the_paper_prints_become_rows_of_imagenet(captions: Path, tmp_path: Path):
    build_1270k(Build1270kConfig(out=tmp_path / "out", captions=str(captions)))
    rows = rows_of(tmp_path / "out")
    assert {found.caption for found in rows} == {*paper_captions()}
    assert {found.source for found in rows} == {"imagenet"}
    assert verify(tmp_path / "out") == []
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert card.split("---\n", 2)[2].lstrip().startswith("# ImageNet-Instruct-1270K\n")
    assert "their templates were never published" in card


def test_fewer_captions_than_the_paper_has_rows_are_all_used_and_said(
    captions: Path, tmp_path: Path
):
    ran = datagen("build-1270k", "--captions", captions, "--out", "out", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    size = len(paper_captions())
    assert f"{size} rows instead of 1,270,000: {captions} has no more usable" in ran.stderr
    assert ran.stdout == f"{size} rows -> out\n"


def test_style_safe_rows_call_no_picture_a_drawing(tmp_path: Path):
    build_1270k(Build1270kConfig(out=tmp_path / "out", rows=500, style_safe=True))
    for found in rows_of(tmp_path / "out"):
        before = [turn.content.partition(found.caption or "")[0] for turn in found.messages]
        assert not {"drawing", "figure", "painting", "sketch", "sketched"} & {
            *" ".join(before).split()
        }
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert len(manifest["templates"]["prompts"]) == 119
    assert manifest["command"] == "datagen build-1270k --rows 500 --style-safe"
    assert verify(tmp_path / "out") == []


def test_templates_of_a_file_are_used_and_kept_in_the_manifest(tmp_path: Path):
    (tmp_path / "mine.toml").write_text(MINE)
    ran = datagen(
        "build-1270k", "--templates", "mine.toml", "--rows", 60, "--out", "out", cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    assert {found.prompt_template_id for found in rows_of(tmp_path / "out")} == {"p1", "p2"}
    templates = json.loads((tmp_path / "out" / "manifest.json").read_text())["templates"]
    assert templates["version"] == 7
    assert templates["answers"] == {"a1": f"This is {{caption}}.{IMAGE_GEN}"}
    assert verify(tmp_path / "out") == []


def test_a_broken_slot_is_one_line_and_exit_2(tmp_path: Path):
    (tmp_path / "mine.toml").write_text(MINE.replace("Draw {caption}", "Draw {captions}"))
    ran = datagen("build-1270k", "--templates", "mine.toml", "--out", "out", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr == (
        "error: mine.toml: prompts.p1 is 'Draw {captions}.'; {caption} found 0 times, once was "
        "expected. Correct it.\n"
    )
    assert not (tmp_path / "out").exists()


def test_other_templates_on_a_started_folder_are_refused_and_a_moved_file_is_not(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    build_1270k(Build1270kConfig(out=tmp_path / "out", rows=60, templates=path))
    moved = path.rename(tmp_path / "moved.toml")
    config = Build1270kConfig(out=tmp_path / "out", rows=60, templates=moved)
    assert build_1270k(config).was_finished
    moved.write_text(MINE.replace("This is", "Here is"))
    with pytest.raises(UserError, match="templates_sha256: started with"):
        build_1270k(config)


def test_the_paper_sizes_share_118833_images_at_least(tmp_path: Path):
    ran = datagen("build-1270k", "--dry-run", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "1,270,000 rows of 1,281,167 usable images" in ran.stdout
    assert "304 request and 96 answer templates" in ran.stdout
    assert "At least 118,833 images are in a -130K of the same 1,281,167 images" in ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_beside_a_130k_the_overlap_is_exact_and_as_small_as_can_be(captions: Path, tmp_path: Path):
    size = len(paper_captions())
    ids = [f"{TENCH}_{at}" for at in range(10)]
    small = write_build(
        tmp_path / "small-130k",
        [row(at, image_id=image_id, source="imagenet") for at, image_id in enumerate(ids)],
    )
    config = Build1270kConfig(
        out=tmp_path / "out", captions=str(captions), rows=size - 4, beside=small
    )
    build_1270k(config)
    shared = {found.image_id for found in rows_of(tmp_path / "out")} & {*ids}
    overlap = json.loads((tmp_path / "out" / "manifest.json").read_text())["overlap_130k"]
    assert overlap == {
        "images": size,
        "rows_130k": 10,
        "at_least": 6,
        "beside": "small-130k",
        "found": 6,
    }
    assert len(shared) == 6
    assert verify(tmp_path / "out") == []
    assert "| images that a -130K has too | 6 (small-130k) |" in (
        tmp_path / "out" / "README.md"
    ).read_text("utf-8")


def test_nothing_is_said_of_a_130k_where_images_are_fewer_than_its_rows(
    captions: Path, tmp_path: Path
):
    build_1270k(Build1270kConfig(out=tmp_path / "out", captions=str(captions)))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["overlap_130k"]["at_least"], manifest["overlap_130k"]["rows_130k"]) == (0, 0)
    assert verify(tmp_path / "out") == []
    assert "that a -130K has too" not in (tmp_path / "out" / "README.md").read_text("utf-8")


def test_a_130k_of_other_images_is_refused(captions: Path, tmp_path: Path):
    other = write_build(tmp_path / "other", [row(1), row(2)])
    config = Build1270kConfig(out=tmp_path / "out", captions=str(captions), beside=other)
    with pytest.raises(UserError, match=r"--beside .*: none of its 2 images is among the"):
        build_1270k(config)


def test_a_world_130k_is_left_out_first(tmp_path: Path):
    beside = write_build(tmp_path / "beside", [row(at) for at in range(5)])
    config = Build1270kConfig(out=tmp_path / "out", rows=2_000, beside=beside)
    build_1270k(config)
    overlap = json.loads((tmp_path / "out" / "manifest.json").read_text())["overlap_130k"]
    assert (overlap["found"], overlap["at_least"], overlap["rows_130k"]) == (0, 0, 5)


def test_rows_raised_keep_what_was_there_and_give_what_one_build_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vargpt_datagen.template_build.ROWS_PER_SHARD", 100)
    build_1270k(Build1270kConfig(out=tmp_path / "raised", rows=250))
    first = tmp_path / "raised" / "data" / "train-00000-of-00003.parquet"
    inode = first.stat().st_ino
    build_1270k(Build1270kConfig(out=tmp_path / "raised", rows=430))
    renamed = tmp_path / "raised" / "data" / "train-00000-of-00005.parquet"
    assert renamed.stat().st_ino == inode  # renamed, not written again
    build_1270k(Build1270kConfig(out=tmp_path / "fresh", rows=430))
    assert published(tmp_path / "raised") == published(tmp_path / "fresh")
    with pytest.raises(UserError, match="rows: 430 published, now 250"):
        build_1270k(Build1270kConfig(out=tmp_path / "raised", rows=250))


@pytest.mark.parametrize("damage", ["byte flipped", "shard gone", "card changed", "work deleted"])
def test_the_same_command_mends_what_was_damaged(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vargpt_datagen.template_build.ROWS_PER_SHARD", 100)
    config = Build1270kConfig(out=tmp_path / "build", rows=250)
    build_1270k(config)
    before = published(tmp_path / "build")
    shard = tmp_path / "build" / "data" / "train-00001-of-00003.parquet"
    if damage == "byte flipped":
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        shard.write_bytes(content)
    elif damage == "card changed":
        (tmp_path / "build" / "README.md").write_text("another card")
    else:
        shard.unlink()
    if damage == "work deleted":
        for path in (tmp_path / "build" / ".work").iterdir():
            path.unlink()
    assert not build_1270k(config).was_finished
    assert published(tmp_path / "build") == before
    assert build_1270k(config).was_finished


@pytest.mark.slow
def test_after_sigkill_no_shard_is_half_written_and_the_same_command_completes(tmp_path: Path):
    start = f"from vargpt_datagen import template_build as b; b.ROWS_PER_SHARD = 400\n{START}"
    words = [sys.executable, "-c", start, "build-1270k", "--rows", "20000", "--out"]
    process = subprocess.Popen([*words, "killed"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    data = tmp_path / "killed" / "data"
    deadline = time.monotonic() + 120
    while len(list(data.glob("train-*.parquet"))) < 5:
        assert process.poll() is None, "the build ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "manifest.json").exists()
    whole = {path: path.stat().st_ino for path in sorted(data.glob("train-*.parquet"))}
    for path in whole:
        assert INSTRUCT.read(path).num_rows == 400
    for out in ("killed", "fresh"):
        ran = subprocess.run([*words, out], cwd=tmp_path, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr
    kept = [path for path, inode in whole.items() if path.stat().st_ino == inode]
    assert len(kept) >= len(whole) - 2  # two threads had written one each without noting it yet
    assert published(tmp_path / "killed") == published(tmp_path / "fresh")


def test_lock_and_progress_may_lie_elsewhere(tmp_path: Path):
    config = Build1270kConfig(out=tmp_path / "out", rows=50, work_dir=tmp_path / "work")
    build_1270k(config)
    assert {path.name for path in (tmp_path / "work").iterdir()} == {"build", "lock", "shards.json"}
    assert not (tmp_path / "out" / ".work" / "shards.json").exists()
    assert "work_dir" not in (tmp_path / "out" / "manifest.json").read_text()
    assert build_1270k(config).was_finished
    with pytest.raises(UserError, match="work_dir: started with"):
        build_1270k(Build1270kConfig(out=tmp_path / "out", rows=50))


def test_what_a_thread_cannot_write_ends_the_build_with_one_line(tmp_path: Path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".work").mkdir()
    (tmp_path / "out" / "data").write_text("a file where a folder belongs")
    with pytest.raises(UserError, match="out/data: cannot be written"):
        build_1270k(Build1270kConfig(out=tmp_path / "out", rows=50))
