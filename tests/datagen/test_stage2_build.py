"""`datagen build-stage2` from end to end: every record of real layouts accounted for."""

import hashlib
import json
import random
import shutil
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.datagen.command import datagen, published, start_datagen
from tests.datagen.stage2_inputs import (
    IMAGE,
    LLAVA_ROWS,
    llava_record,
    picture,
    said,
    write_inputs,
    write_onevision,
    write_subset,
)
from vargpt_datagen.stage2.build import Stage2Config, build_stage2
from vargpt_datagen.stage2.verify import stage2_faults
from vargpt_schema import INSTRUCT, REJECTS, InstructRecord, Message, RejectRecord

OUT = "stage2-llava-onevision"


def faulty_records() -> list[Any]:
    """LLaVA's records, numbers 3 to 11 with what real files have."""
    records: list[Any] = [llava_record(number) for number in range(LLAVA_ROWS)]
    records[3]["conversations"] = said("Which is it?\n<image>", "This.", "And now?", "That.")
    records[4] = {
        "id": "wgByO4Y_0",
        "model": "",
        "conversations": said("Is <image> a tag?", "Yes."),
    }
    records[5]["conversations"] = said("No picture here?", "None.")
    records[6]["image"] = "coco/train2017/../../../secret.jpg"
    records[7]["image"] = "coco/gone/1.jpg"
    records[8]["conversations"] = "text"
    records[9] = 7
    return records


@pytest.fixture(scope="module")
def real_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build from small inputs in the real layouts."""
    cwd = tmp_path_factory.mktemp("real")
    words = write_inputs(cwd, faulty_records())
    (cwd / "images" / "coco" / "train2017" / "000000000010.jpg").write_bytes(b"broken")
    (cwd / "images" / "coco" / "train2017" / "000000000011.jpg").write_bytes(picture(1, "GIF"))
    ran = datagen("build-stage2", *words, cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.startswith(f"building in {OUT}\n")
    assert ran.stdout == f"234 rows (6 fewer than asked for), 6 rejects -> {OUT}\n"
    return cwd / OUT


@pytest.fixture(scope="module")
def rows(real_build: Path) -> list[InstructRecord]:
    return list(INSTRUCT.records(real_build))


@pytest.fixture(scope="module")
def rejects(real_build: Path) -> list[RejectRecord]:
    return list(REJECTS.records(real_build / "rejects"))


@pytest.fixture(scope="module")
def manifest(real_build: Path) -> dict[str, Any]:
    return json.loads((real_build / "manifest.json").read_text())


def of_record(rows: list[InstructRecord], record_id: str) -> InstructRecord:
    (found,) = [row for row in rows if row.image_id == record_id]
    return found


def test_the_folder_holds_what_a_build_has(real_build: Path):
    assert {path.name for path in real_build.iterdir()} == {
        ".work",
        "README.md",
        "data",
        "manifest.json",
        "rejects",
        "quality.json",
        "report.html",
        "unusable_pictures.tsv",
    }
    assert sorted(path.name for path in (real_build / ".work").iterdir()) == [
        "config.json",
        "lock",
        "pictures.sqlite",
    ]


def test_every_record_of_llava_is_a_row_or_a_reject_with_its_reason(rows, rejects):
    assert sum(row.source.startswith("llava/") for row in rows) == 130
    assert sorted((each.reason, each.detail, each.image_id) for each in rejects) == [
        ("bad_image_path", "coco/train2017/../../../secret.jpg", "6"),
        ("image_count", "0 <image> for 1 images", "5"),
        ("missing_image", "coco/gone/1.jpg", "7"),
        ("no_turns", "0 turns", ""),
        ("no_turns", "0 turns", "8"),
        ("undecodable_image", "coco/train2017/000000000010.jpg", "10"),
    ]
    by_id = {each.image_id: each for each in rejects}
    assert (by_id["5"].prompt, by_id["5"].answer) == ("No picture here?", "None.")
    assert by_id["5"].generator == "llava/coco"


def test_a_row_with_a_picture_keeps_its_turns_and_says_where_it_is_from(rows):
    row = of_record(rows, "3")
    assert row.messages == (
        Message("user", "Which is it?\n<image>"),
        Message("assistant", "This."),
        Message("user", "And now?"),
        Message("assistant", "That."),
    )
    assert row.images == ("coco/train2017/000000000003.jpg",)
    assert (row.task, row.method, row.source) == ("understanding", "imported", "llava/coco")
    assert (row.caption, row.label, row.wnid, row.generator) == (None, None, None, None)


def test_a_literal_placeholder_in_a_text_row_is_harmless(rows, manifest):
    row = of_record(rows, "wgByO4Y_0")
    assert row.messages[0].content == "Is < image> a tag?"
    assert (row.task, row.images, row.source) == ("text", (), "llava/text")
    assert manifest["changes"] == {"escaped": 1}


def test_pictures_that_came_inside_tables_lie_below_the_image_root_unchanged(real_build, rows):
    images = real_build.parent / "images"
    embedded = [row for row in rows if row.source.startswith("onevision/") and row.images]
    assert len(embedded) == 102
    for row in embedded:
        (name,) = row.images
        number = int((row.image_id or "").removeprefix("ov"))
        data = picture(1_000 + number) if number < 60 else picture(2_000 + number, "PNG")
        assert (images / name).read_bytes() == data
        folder = "ai2d_gpt4v" if number < 60 else "iiit5k"
        assert name == f"onevision/{folder}/{hashlib.sha256(data).hexdigest()}.jpg"
    written = [path for path in (images / "onevision").rglob("*") if path.is_file()]
    assert len(written) == len({row.images for row in embedded}) < 102  # equal ones once


def test_subsets_without_weight_are_left_out_and_language_is_drawn_apart(rows, manifest):
    sources = Counter(row.source for row in rows)
    assert "onevision/k12_printing" not in sources
    assert sources["onevision/magpie_pro(l3_80b_mt)"] == 1
    assert manifest["parts"]["language"] == {
        "wanted": 1,
        "rows": 1,
        "rejects": 0,
        "available": 6,
    }


def test_rows_that_draw_are_rows_of_130k_unchanged(real_build: Path, rows):
    (drawn,) = [row for row in rows if row.task == "generation"]
    assert drawn in list(INSTRUCT.records(real_build.parent / "130k"))
    assert drawn.method == "llm"


def test_the_manifest_counts_by_part_source_and_category(manifest):
    assert manifest["name"] == "VARGPT-Stage2-Mixture"
    assert manifest["counts"] == {"rows": 234, "rejects": 6, "short_rows": 6}
    assert {part: each["rows"] for part, each in manifest["parts"].items()} == {
        "llava": 130,
        "onevision": 102,
        "language": 1,
        "instruct": 1,
    }
    assert sum(manifest["categories"].values()) == 234
    assert manifest["categories"]["General"] == 130
    assert manifest["categories"]["Image Generation"] == 1
    by_category = manifest["categories"]
    assert by_category["Doc/Chart/Screen"] + by_category["General OCR"] == 102
    assert manifest["tasks"] == {"understanding": 231, "text": 2, "generation": 1}
    assert manifest["pictures"] == {"unusable": 3, "misnamed": 1}
    assert "--weights" in manifest["command"]


def test_pictures_that_cannot_be_used_are_listed(real_build: Path):
    assert (real_build / "unusable_pictures.tsv").read_text().splitlines() == [
        "picture\tfault\tused\trows",
        "coco/gone/1.jpg\tmissing_image\tno\t1",
        "coco/train2017/../../../secret.jpg\tbad_image_path\tno\t1",
        "coco/train2017/000000000010.jpg\tundecodable_image\tno\t1",
        "coco/train2017/000000000011.jpg\tmisnamed\tyes\t1",
    ]


def test_rows_lie_in_one_seeded_order_and_not_in_the_order_of_their_sources(rows):
    changes = sum(first.source != second.source for first, second in pairwise(rows))
    assert changes > 60


def test_its_rows_have_no_fault(real_build: Path, manifest):
    assert stage2_faults(real_build, manifest) == []


def test_the_same_command_again_does_nothing(real_build: Path):
    before = published(real_build)
    words = write_inputs(real_build.parent, faulty_records())
    ran = datagen("build-stage2", *words, cwd=real_build.parent)
    assert ran.stdout == f"234 rows were published already, nothing to do -> {OUT}\n"
    assert published(real_build) == before


def config_of(words: list[object], **values: Any) -> Stage2Config:
    names = [str(word)[2:].replace("-", "_") for word in words[::2]]
    return Stage2Config(**{**dict(zip(names, words[1::2], strict=True)), **values})  # type: ignore[arg-type]


def test_the_order_of_records_and_files_changes_no_row(tmp_path: Path):
    records = [llava_record(number) for number in range(200)]
    words = write_inputs(tmp_path, records)
    build_stage2(config_of(words, out=tmp_path / "first"))
    (tmp_path / "llava.json").write_text(json.dumps(records[::-1]))
    folder = tmp_path / "onevision" / "ai2d(gpt4v)"
    first, second = sorted(folder.iterdir())
    first.rename(folder / "train-00009-of-00010.parquet")
    assert second.exists()
    build_stage2(config_of(words, out=tmp_path / "second"))
    assert INSTRUCT.read(tmp_path / "first").equals(INSTRUCT.read(tmp_path / "second"))


def test_another_seed_draws_others(tmp_path: Path):
    words = write_inputs(tmp_path)
    drawn = []
    for seed in (0, 1):
        build_stage2(config_of(words, out=tmp_path / f"{seed}", seed=seed))
        drawn.append({row.image_id for row in INSTRUCT.records(tmp_path / f"{seed}")})
    assert drawn[0] != drawn[1]


def test_rows_raised_give_what_one_build_gives(tmp_path: Path):
    words = write_inputs(tmp_path)
    for rows in (100, 240):
        build_stage2(config_of(words, out=tmp_path / "raised", rows=rows))
    build_stage2(config_of(words, out=tmp_path / "fresh", rows=240))
    assert published(tmp_path / "raised") == published(tmp_path / "fresh")


def test_rejects_are_replaced_as_long_as_there_are_others(tmp_path: Path):
    records: list[Any] = [llava_record(number) for number in range(LLAVA_ROWS + 20)]
    for record in records[:20]:
        record["conversations"] = said("No picture here?", "None.")
    built = build_stage2(config_of(write_inputs(tmp_path, records), out=tmp_path / "out"))
    assert (built.num_rows, built.num_short) == (240, 0)
    assert 1 <= built.num_rejects <= 20


def test_rows_that_both_sets_have_are_counted(tmp_path: Path):
    records = [llava_record(number) for number in range(LLAVA_ROWS)]
    words = write_inputs(tmp_path, records)
    twins = pq.read_table(next((tmp_path / "onevision" / "iiit5k").iterdir()))
    folder = tmp_path / "onevision" / "iiit5k"
    rows = twins.to_pylist()
    for number, row in enumerate(rows):
        row["conversations"] = records[number]["conversations"]
        if number % 2:
            row["image"]["bytes"] = picture(number)
    shutil.rmtree(folder)
    write_subset(folder, rows)
    build_stage2(config_of(words, out=tmp_path / "out"))
    found = json.loads((tmp_path / "out" / "manifest.json").read_text())
    drawn = [row for row in INSTRUCT.records(tmp_path / "out") if row.source == "onevision/iiit5k"]
    odd = sum(int((row.image_id or "")[2:]) % 2 for row in drawn)
    assert found["overlap"] == {
        "same_image_and_request": odd,
        "same_text": len(drawn),
        "repeated_in_llava": 0,
    }


def test_a_picture_that_was_missing_is_found_by_a_build_that_goes_on(tmp_path: Path):
    records: list[Any] = [llava_record(number) for number in range(LLAVA_ROWS)]
    words = write_inputs(tmp_path, records)
    late = tmp_path / "images" / records[0]["image"]
    data = late.read_bytes()
    late.unlink()
    out = tmp_path / "out"
    assert build_stage2(config_of(words, out=out)).num_short == 1
    late.write_bytes(data)
    assert build_stage2(config_of(words, out=out)).was_finished
    (out / "manifest.json").unlink()
    assert build_stage2(config_of(words, out=out)).num_short == 0


def test_an_embedded_picture_that_was_lost_is_written_again(tmp_path: Path):
    words = write_inputs(tmp_path)
    out = tmp_path / "out"
    build_stage2(config_of(words, out=out))
    before = published(tmp_path)
    lost = sorted((tmp_path / "images" / "onevision").rglob("*.jpg"))
    lost[0].unlink()
    lost[1].write_bytes(lost[1].read_bytes()[:-5])
    (out / "manifest.json").unlink()
    build_stage2(config_of(words, out=out))
    assert published(tmp_path) == before


def test_many_shards_hold_all_rows_once(tmp_path: Path, monkeypatch):
    from vargpt_datagen.stage2 import build, publish

    words = write_inputs(tmp_path)
    build_stage2(config_of(words, out=tmp_path / "whole"))
    monkeypatch.setattr(
        build,
        "publish_stage2",
        lambda folder, made: publish.publish_stage2(folder, made, rows_per_shard=50),
    )
    build_stage2(config_of(words, out=tmp_path / "many"))
    shards = sorted((tmp_path / "many" / "data").iterdir())
    assert [pq.read_metadata(shard).num_rows for shard in shards] == [50, 50, 50, 50, 40]
    assert INSTRUCT.read(tmp_path / "many").equals(INSTRUCT.read(tmp_path / "whole"))


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_no_byte(tmp_path: Path):
    words = ("build-stage2", "--rows", 3_000, "--out")
    started = time.monotonic()
    assert datagen(*words, "calm", cwd=tmp_path).returncode == 0
    whole_s = time.monotonic() - started
    chosen = random.Random(20250122)
    for _ in range(8):
        process = start_datagen(*words, "killed", cwd=tmp_path)
        time.sleep(chosen.uniform(0.1, 1.0) * whole_s)
        process.kill()
        process.communicate()
        (tmp_path / "killed" / "manifest.json").unlink(missing_ok=True)
    ran = datagen(*words, "killed", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert published(tmp_path / "killed") == published(tmp_path / "calm")


def test_ctrl_c_says_how_to_go_on(tmp_path: Path):
    process = start_datagen("build-stage2", "--rows", 50_000, "--out", "out", cwd=tmp_path)
    until = time.monotonic() + 30
    while not (tmp_path / "out" / "images" / "coco").exists():
        assert time.monotonic() < until, "the build did not start"
        time.sleep(0.05)
    process.send_signal(2)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert stderr.endswith("Continue with: datagen build-stage2 --rows 50000 --out out\n")


def test_a_text_only_config_may_have_typed_but_empty_pictures(tmp_path: Path):
    words = write_inputs(tmp_path)
    (path,) = (write_onevision(tmp_path) / "magpie_pro(l3_80b_mt)").iterdir()
    table = pq.read_table(path)
    pq.write_table(table.set_column(1, "image", table.column("image").cast(IMAGE)), path)
    build_stage2(config_of(words, out=tmp_path / "out"))
    texts = [row for row in INSTRUCT.records(tmp_path / "out") if "magpie" in row.source]
    assert [row.task for row in texts] == ["text"]
