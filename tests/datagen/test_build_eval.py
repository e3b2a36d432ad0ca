"""`datagen build-eval`: every class alike, held-out wording, never an image of a training set."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.datagen.command import START, datagen, published
from tests.datagen.endpoint_command import MODEL, environment
from tests.datagen.enriched import own_record, write_enriched, write_own
from tests.datagen.llm_server import running_server
from vargpt_datagen import eval_asking
from vargpt_datagen.build_eval import BuildEvalConfig, build_eval
from vargpt_datagen.eval_rows import balanced_order
from vargpt_datagen.verify import verify
from vargpt_datagen.wording_templates import shipped_templates
from vargpt_schema import EVAL_PROMPTS, REJECTS, REPLIES, EvalPromptRecord, UserError, world


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 prompts of the world, built by the command in its default folder."""
    cwd = tmp_path_factory.mktemp("cwd")
    ran = datagen("build-eval", "--rows", 2_000, cwd=cwd)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "2,000 rows -> eval-world\n"
    return cwd / "eval-world"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 prompts of the world in the words of the offline writer."""
    out = tmp_path_factory.mktemp("asked") / "eval"
    build_eval(BuildEvalConfig(out=out, rows=600, wording="llm"))
    return out


def rows_of(folder: Path) -> list[EvalPromptRecord]:
    return list(EVAL_PROMPTS.records(folder))


def test_prompts_are_validation_captions_in_held_out_templates(built: Path):
    shipped = shipped_templates()
    held_out = {each.template_id: each.text for each in shipped.held_out_prompts}
    trained_on = {each.text for each in shipped.prompts}
    for row in rows_of(built):
        text = held_out[row.prompt_template_id or ""]
        assert text not in trained_on
        assert row.prompt == text.replace("{caption}", row.caption)
        index = world.index_of(row.image_id)
        assert index in world.SPLITS["validation"]
        assert (row.caption, row.label) == (world.caption_at(index), world.label_at(index))
        assert (row.split, row.source, row.wnid) == ("validation", "world", None)


def test_every_class_has_as_many_prompts(built: Path):
    assert Counter(Counter(row.label for row in rows_of(built)).values()) == {2: 1_000}
    manifest = json.loads((built / "manifest.json").read_text())
    assert manifest["classes"] == {"number": 1_000, "fewest_rows": 2, "most_rows": 2}
    assert manifest["name"] == "Sample-World-Instruct-eval"


def test_all_50000_validation_scenes_are_50_a_class():
    labels = np.array([world.label_at(index) for index in world.SPLITS["validation"]])
    order = balanced_order(labels, seed=0, captions="x")
    assert sorted(order.tolist()) == list(range(50_000))
    assert {*np.bincount(labels[order])} == {50}


@pytest.mark.parametrize("size", [1, 4, 5, 9, 12, 13])
def test_the_first_rows_hold_every_class_as_evenly_as_can_be(size: int):
    labels = np.array([0] * 5 + [7] * 2 + [-1] * 3 + [4] * 3)
    counts = Counter(labels[balanced_order(labels, seed=3, captions="x")][:size].tolist())
    available = {0: 5, 7: 2, -1: 3, 4: 3}
    fullest = max(counts.values())
    for label, count in available.items():
        assert counts.get(label, 0) >= min(count, fullest - 1)


def test_the_order_within_a_class_depends_on_the_seed():
    labels = np.zeros(100, np.int64)
    first = balanced_order(labels, seed=0, captions="x").tolist()
    assert first != balanced_order(labels, seed=1, captions="x").tolist()
    assert first == balanced_order(labels, seed=0, captions="x").tolist()


def test_the_folder_is_a_build_like_the_others(built: Path):
    assert verify(built) == []
    assert [path.name for path in (built / "data").iterdir()] == [
        "validation-00000-of-00001.parquet"
    ]
    card = (built / "README.md").read_text("utf-8")
    assert "**For evaluation only.**" in card
    assert "path: data/validation-*.parquet" in card
    assert "for models to draw and never to be trained on" in (built / "report.html").read_text(
        "utf-8"
    )
    quality = json.loads((built / "quality.json").read_text())
    assert "answers" not in quality
    assert quality["requests"]["caption_recall_mean"] == 1.0
    assert [(pool["size"], pool["used"]) for pool in quality["pools"]] == [(52, 52)]


def test_datasets_loads_the_split_of_the_card(built: Path, tmp_path: Path):
    from datasets import load_dataset

    rows = load_dataset(str(built), split="validation", cache_dir=str(tmp_path))
    assert rows.num_rows == 2_000


def test_show_sample_and_report_take_prompts_too(built: Path):
    ran = datagen("show", built, "--rows", 2, cwd=built)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("  user          ") == 2
    assert "assistant" not in ran.stdout
    prompt_id = rows_of(built)[5].prompt_id
    assert prompt_id in datagen("show", built, "--id", prompt_id, cwd=built).stdout


def test_the_same_command_does_nothing_and_rows_raised_give_what_one_build_gives(tmp_path: Path):
    for rows in (150, 400):
        build_eval(BuildEvalConfig(out=tmp_path / "raised", rows=rows))
    build_eval(BuildEvalConfig(out=tmp_path / "fresh", rows=400))
    assert published(tmp_path / "raised") == published(tmp_path / "fresh")
    assert build_eval(BuildEvalConfig(out=tmp_path / "fresh", rows=400)).was_finished


def test_the_hubs_validation_files_give_prompts_of_imagenet(tmp_path: Path):
    captions = ["a dog", "a cat in a box", "a red fish", "a bird on a twig"]
    write_enriched(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet", ["a hat on a mat"])
    write_enriched(
        tmp_path / "hub" / "data" / "validation-00000-of-00001.parquet",
        captions,
        [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 5)],
    )
    built = build_eval(BuildEvalConfig(out=tmp_path / "out", captions=str(tmp_path / "hub")))
    rows = rows_of(tmp_path / "out")
    assert built.num_rows == 4
    assert {row.caption for row in rows} == {*captions}
    assert all(row.image_id.startswith("ILSVRC2012_val_") for row in rows)
    assert verify(tmp_path / "out") == []


def test_an_image_of_both_splits_is_refused(tmp_path: Path):
    records = [
        own_record("photo-1"),
        own_record("photo-2", split="validation"),
        own_record("photo-3", split="validation"),
    ]
    write_own(tmp_path / "c" / "train.parquet", records[:2])
    write_own(
        tmp_path / "c" / "more.parquet",
        [records[2], own_record("photo-1", split="validation", image="photos/again.jpg")],
    )
    with pytest.raises(UserError, match=r"image photo-1 of split validation is a training image"):
        build_eval(BuildEvalConfig(out=tmp_path / "out", captions=str(tmp_path / "c")))
    assert not (tmp_path / "out").exists()


def test_a_picture_of_both_splits_is_refused_whatever_its_id(tmp_path: Path):
    records = [
        own_record("photo-1", caption="a bowl of"),  # unfit, and still a picture of training
        own_record("other-1", split="validation", image="photos/photo-1.jpg"),
    ]
    path = write_own(tmp_path / "c.parquet", records)
    with pytest.raises(UserError, match=r"image other-1 of split validation is a training image"):
        build_eval(BuildEvalConfig(out=tmp_path / "out", captions=str(path)))


def test_the_words_of_a_writer_replace_the_templates(asked: Path):
    assert verify(asked) == []
    rows = rows_of(asked)
    assert {row.prompt_template_id for row in rows} == {None}
    assert len({row.image_id for row in rows}) == 600
    manifest = json.loads((asked / "manifest.json").read_text())
    assert manifest["counts"]["template_prompts"] == 0
    assert manifest["command"] == "datagen build-eval --rows 600 --wording llm"
    assert "No\nlanguage model was called" in (asked / "README.md").read_text("utf-8")


def test_an_image_whose_text_fails_is_asked_about_again(asked: Path):
    rejects = list(REJECTS.records(asked / "rejects"))
    manifest = json.loads((asked / "manifest.json").read_text())
    assert len(rejects) == manifest["counts"]["rejects"] > 0
    assert {reject.image_id for reject in rejects} <= {row.image_id for row in rows_of(asked)}
    assert len({reject.request_sha256 for reject in rejects}) == len(rejects)


def test_what_fails_in_every_pass_is_worded_by_a_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(eval_asking, "PASSES", 1)
    out = tmp_path / "eval"
    build_eval(BuildEvalConfig(out=out, rows=600, wording="llm"))
    manifest = json.loads((out / "manifest.json").read_text())
    made = [row for row in rows_of(out) if row.prompt_template_id]
    assert len(made) == manifest["counts"]["template_prompts"] == manifest["counts"]["rejects"] > 0
    assert {row.image_id for row in made} == {
        reject.image_id for reject in REJECTS.records(out / "rejects")
    }
    assert verify(out) == []


@pytest.mark.slow
def test_an_endpoint_is_paid_once_and_its_replies_are_published(tmp_path: Path):
    words = ["build-eval", "--wording", "llm", "--model", MODEL, "--key-env", "none", "--out", "e"]
    with running_server() as server:
        for rows in ("30", "50", "50"):
            ran = subprocess.run(
                [sys.executable, "-c", START, *words, "--writer", server.url, "--rows", rows],
                cwd=tmp_path,
                env=environment(),
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
        billed = server.ledger()["billed"]
    replies = list(REPLIES.records(tmp_path / "e" / "replies"))
    assert len(replies) == billed
    manifest = json.loads((tmp_path / "e" / "manifest.json").read_text())
    assert manifest["counts"]["judged_replies"] == billed
    assert manifest["tokens"]["prompt"] == sum(reply.prompt_tokens for reply in replies)
    assert len(rows_of(tmp_path / "e")) == 50
    assert verify(tmp_path / "e") == []


@pytest.mark.parametrize(
    "words",
    [("--writer", "deepseek"), ("--model", "m"), ("--max-usd", "1"), ("--seeds", "s")],
)
def test_options_of_a_writer_need_the_wording_llm(words: tuple[str, str], tmp_path: Path):
    ran = datagen("build-eval", *words, "--out", "out", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"error: {words[0]} {words[1]}")
    assert "Add --wording llm, or leave" in ran.stderr


def test_too_few_captions_to_draw_shots_from_are_told(tmp_path: Path):
    records = [own_record(f"photo-{at}", split="validation") for at in range(9)]
    path = write_own(tmp_path / "c.parquet", records)
    config = BuildEvalConfig(out=tmp_path / "out", captions=str(path), wording="llm")
    with pytest.raises(UserError, match="9 validation captions to ask about, at least 14"):
        build_eval(config)


def test_dry_runs_of_both_wordings_write_nothing(tmp_path: Path):
    ran = datagen("build-eval", "--dry-run", cwd=tmp_path)
    assert "50,000 rows of 50,000 usable images" in ran.stdout
    assert "52 request and 0 answer templates" in ran.stdout
    ran = datagen("build-eval", "--dry-run", "--wording", "llm", "--rows", 500, cwd=tmp_path)
    assert "rows 500; about 525 calls" in ran.stdout
    assert list(tmp_path.iterdir()) == []
