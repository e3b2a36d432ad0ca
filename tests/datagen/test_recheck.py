"""`datagen recheck` and the published replies: today's rules on what was paid for, no call."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from tests.datagen.command import datagen, published
from tests.datagen.llm_server import Server, running_server
from vargpt_datagen.checks import Fault, first_fault
from vargpt_datagen.recheck import recheck
from vargpt_datagen.verify import verify
from vargpt_schema import INSTRUCT, REJECTS, REPLIES

ROWS = 60


@pytest.fixture(scope="module")
def server():
    with running_server(
        "--latency-s", 0, "--fault", "malformed=0.2", "--fault", "refused=0.1"
    ) as running:
        yield running


def words(server: Server, rows: int = ROWS) -> list[object]:
    build = ["build-130k", "--rows", rows, "--out", "build", "--writer", server.url]
    return [*build, "--model", "asked-1", "--price", "1,2", "--key-env", "none"]


@pytest.fixture
def build(server: Server, tmp_path: Path) -> Path:
    ran = datagen(*words(server), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    return tmp_path / "build"


def captions_of(folder: Path) -> set[str]:
    return set(INSTRUCT.read(folder).column("caption").to_pylist())


def test_every_reply_is_published_with_usage_model_and_usd(build: Path):
    replies = list(REPLIES.records(build / "replies"))
    rows = INSTRUCT.read(build)
    assert {reply.model for reply in replies if reply.model} == {"test-model-1"}
    assert set(rows.column("generator").to_pylist()) == {"test-model-1"}
    keys = [(reply.request_sha256, reply.attempt) for reply in replies]
    assert keys == sorted(set(keys))
    asked = zip(
        rows.column("request_sha256").to_pylist(), rows.column("attempts").to_pylist(), strict=True
    )
    for request_sha256, attempts in asked:
        assert {(request_sha256, number + 1) for number in range(attempts)} <= set(keys)
    refused = [reply for reply in replies if reply.finish_reason == "http_refusal"]
    assert refused
    assert all("Content Exists Risk" in reply.text and reply.usd == 0 for reply in refused)
    manifest = json.loads((build / "manifest.json").read_text())
    assert manifest["tokens"]["prompt"] == sum(reply.prompt_tokens for reply in replies)
    usd = sum((reply.prompt_tokens * 1 + reply.completion_tokens * 2) / 1e6 for reply in replies)
    assert manifest["usd"] == pytest.approx(usd)
    assert verify(build) == []


def test_a_build_of_paid_rows_is_left_as_it_is_when_no_rule_has_changed(
    build: Path, server: Server
):
    before, requests = published(build), server.ledger()["requests"]
    found = recheck(build)
    assert (found.num_rows, found.num_left, found.num_new, found.num_open) == (ROWS, 0, 0, 0)
    assert published(build) == before
    assert server.ledger()["requests"] == requests


def without_captions(monkeypatch: pytest.MonkeyPatch, captions: set[str]) -> None:
    """A new rule: these captions must not be drawn."""
    monkeypatch.setattr(
        "vargpt_datagen.judging.first_fault",
        lambda candidate: (
            Fault("new_rule", candidate.caption)
            if candidate.caption in captions
            else first_fault(candidate)
        ),
    )


def test_rows_that_break_a_new_rule_leave_and_stay_open_until_somebody_pays(
    build: Path, server: Server, monkeypatch: pytest.MonkeyPatch
):
    requests = server.ledger()["requests"]
    unwanted = set(sorted(captions_of(build))[:5])
    with monkeypatch.context() as patch:
        without_captions(patch, unwanted)
        found = recheck(build)
    assert (found.num_rows, found.num_left, found.num_new) == (ROWS - 5, 5, 0)
    assert found.num_open == 5
    assert server.ledger()["requests"] == requests
    assert not captions_of(build) & unwanted
    assert REJECTS.read(build / "rejects").column("reason").to_pylist().count("new_rule") == 5
    assert verify(build) == []
    assert "5 rows have no text yet" in (build / "README.md").read_text()


def test_the_command_that_builds_fills_open_rows_and_pays_for_these_alone(
    build: Path, server: Server, monkeypatch: pytest.MonkeyPatch
):
    unwanted = set(sorted(captions_of(build))[:5])
    with monkeypatch.context() as patch:
        without_captions(patch, unwanted)
        recheck(build)
    # The old rules hold again in the new process, so nothing is missing and nothing is paid.
    requests = server.ledger()["requests"]
    ran = datagen(*words(server), cwd=build.parent)
    assert ran.returncode == 0, ran.stderr
    assert server.ledger()["requests"] == requests
    assert unwanted <= captions_of(build)
    assert verify(build) == []


def test_recheck_needs_no_journal_once_published(build: Path):
    before = published(build)
    shutil.rmtree(build / ".work")
    ran = datagen("recheck", "build", cwd=build.parent)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"{ROWS} rows (0 left, 0 new, 0 open), ")
    assert published(build) == before


def test_recheck_needs_neither_key_nor_price(build: Path):
    ran = datagen("recheck", "build", cwd=build.parent)
    assert ran.returncode == 0, ran.stderr


def test_recheck_of_an_offline_build_asks_the_offline_writer_again(tmp_path: Path):
    words = ("build-130k", "--rows", 300, "--out", "build")
    assert datagen(*words, cwd=tmp_path).returncode == 0
    before = published(tmp_path / "build")
    shutil.rmtree(tmp_path / "build" / ".work")
    ran = datagen("recheck", "build", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert published(tmp_path / "build") == before


@pytest.mark.parametrize("part", ["request_sha256", "prompt_tokens", "usd"])
def test_verify_finds_replies_that_do_not_belong(build: Path, part: str):
    (path,) = (build / "replies").iterdir()
    table = REPLIES.read(path)
    changed = {
        "request_sha256": pa.array(["f" * 64] * table.num_rows),
        "prompt_tokens": pa.array([1] * table.num_rows, pa.int64()),
        "usd": pa.array([1.0] * table.num_rows),
    }[part]
    field = table.schema.field(part)
    table = table.set_column(table.schema.get_field_index(part), field, changed)
    REPLIES.write(table, path)
    manifest = json.loads((build / "manifest.json").read_text())
    for file in manifest["files"]:
        if file["path"].startswith("replies/"):
            from vargpt_datagen.publishing import describe

            file.update(describe(path, build))
    (build / "manifest.json").write_text(json.dumps(manifest))
    expected = {
        "request_sha256": "rows have no reply here",
        "prompt_tokens": "prompt tokens, the manifest says",
        "usd": "USD, the manifest says",
    }[part]
    assert any(expected in fault for fault in verify(build))


def test_a_set_without_replies_is_refused(tmp_path: Path):
    from tests.datagen.small_build import row, write_build

    write_build(tmp_path / "class", [row(0)], manifest={"config": {"set": "class"}})
    ran = datagen("recheck", "class", cwd=tmp_path)
    assert ran.returncode == 2
    assert "a set 'class' found, one of build-130k was expected" in ran.stderr
