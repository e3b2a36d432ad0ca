"""Faults of every kind together: all rows come out, each reply is kept, none is paid twice."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.datagen.command import datagen
from tests.datagen.endpoint_command import (
    BRISK,
    IMPATIENT,
    PRICE,
    build,
    ended,
    expect_built,
    limited,
    refusal,
    rejects_of,
    replies_of,
    started_build,
)
from tests.datagen.llm_server import Server, running_server, wait_until


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The one process of this module, as new and without latency."""
    shared_server.renew()
    return shared_server


def expect_whole(server: Server, folder: Path, rows: int) -> None:
    """The rows asked for, a reply in the folder for each bill and refusal, and nothing amiss."""
    table = pq.read_table(folder / "data")
    assert len(table) == rows
    assert len(set(table["sample_id"].to_pylist())) == rows
    ledger = server.ledger()
    replies = Counter(row["finish_reason"] for row in replies_of(folder))
    assert replies["http_refusal"] == ledger["by_status"]["400"]
    assert replies["stop"] + replies["length"] == ledger["billed"]
    assert ledger["billed_unread"] == 0
    assert set(replies) <= {"http_refusal", "stop", "length"}
    assert ledger["sent_refused_again"] == 0
    ran = datagen("verify", folder, cwd=folder.parent)
    assert ran.stdout == f"good -> {folder}\n", ran.stdout


def expect_refusals(server: Server, folder: Path) -> None:
    refused = [row for row in rejects_of(folder) if row["reason"] == "refused"]
    assert len(refused) == server.ledger()["by_status"]["400"] > 0
    assert {row["text"] for row in refused} == {"HTTP 400: Content Exists Risk"}


def expect_no_calls(server: Server, *words: object, **options: Any) -> None:
    server.reset()
    ran = build(server.url, *words, **options)
    assert ran.returncode == 0, ran.stderr
    assert "nothing to do" in ran.stdout
    assert server.ledger()["requests"] == 0


def test_mixed_faults_lose_no_row_and_send_no_refused_one_again(server: Server, tmp_path: Path):
    shares = {"429": 0.06, "500": 0.05, "malformed": 0.05, "reset": 0.04, "length": 0.04}
    server.configure(faults=shares | {"refused": 0.04}, retry_after_s=0.2, latency_s=0.05)
    words = ("--price", PRICE, "--in-flight", 64)
    ran = build(server.url, *words, cwd=tmp_path, rows=300, before=BRISK)
    expect_built(ran)
    expect_whole(server, tmp_path / "build", 300)
    expect_refusals(server, tmp_path / "build")
    statuses = server.ledger()["by_status"]
    assert all(statuses[kind] > 0 for kind in ("429", "500", "400", "dropped"))
    expect_no_calls(server, *words, cwd=tmp_path, rows=300)


@pytest.mark.slow
def test_the_faults_of_a_bad_day_lose_none_of_2_000_rows(server: Server, tmp_path: Path):
    shares = {"429": 0.03, "500": 0.01, "malformed": 0.01, "reset": 0.005, "length": 0.005}
    server.configure(faults=shares | {"refused": 0.005}, latency_s=0.2)
    words = ("--price", PRICE, "--in-flight", 256)
    ran = build(server.url, *words, cwd=tmp_path, rows=2_000)
    expect_built(ran)
    expect_whole(server, tmp_path / "build", 2_000)
    expect_refusals(server, tmp_path / "build")
    expect_no_calls(server, *words, cwd=tmp_path, rows=2_000)


@pytest.mark.slow
def test_a_model_that_writes_nothing_usable_ends_after_a_hundred_rejects(
    server: Server, tmp_path: Path
):
    server.configure(faults={"refused": 1})
    line = refusal(build(server.url, "--in-flight", 16, cwd=tmp_path, rows=1_000))
    assert "not one usable reply in 100 (rejects: refused 100; the last: HTTP 400: " in line
    assert 100 <= server.ledger()["requests"] < 400


@pytest.mark.slow
@pytest.mark.parametrize("is_dropping", [False, True])
def test_an_outage_of_two_seconds_is_survived_without_a_word(
    is_dropping, server: Server, tmp_path: Path
):
    server.configure(latency_s=0.1)
    with started_build(server.url, "--in-flight", 16, cwd=tmp_path, rows=300) as process:
        wait_until(lambda: server.ledger()["billed"] >= 100)
        before = server.ledger()["requests"]
        server.configure(outage_from_s=0, outage_refuse=is_dropping)
        time.sleep(2)
        server.configure(outage_from_s=None, outage_refuse=False)
        expect_built(ended(process))
    assert server.ledger()["requests"] > before
    assert server.ledger()["billed"] == 300
    assert server.ledger()["billed_again"] == 0


def test_an_endpoint_that_dies_in_the_middle_ends_the_run_and_nothing_is_paid_twice(
    server: Server, tmp_path: Path
):
    server.configure(latency_s=0.05)
    words = ("--in-flight", 16, "--price", PRICE)
    options: dict[str, Any] = {"cwd": tmp_path, "rows": 120}
    with started_build(server.url, *words, before=IMPATIENT, **options) as process:
        wait_until(lambda: server.ledger()["billed"] >= 40)
        server.configure(outage_from_s=0, outage_refuse=True)
        line = refusal(ended(process))
    assert "no reply to any request for a while" in line
    assert line.endswith("run the same command when the endpoint answers again.")
    assert 40 <= server.ledger()["billed"] < 120

    server.configure(outage_from_s=None, outage_refuse=False)
    expect_built(build(server.url, *words, cwd=tmp_path, rows=120))
    assert server.ledger()["billed"] == 120
    assert server.ledger()["billed_again"] == 0


@pytest.mark.slow
def test_a_server_that_is_killed_ends_the_run_and_a_new_one_completes_it(
    tmp_path: Path,
):
    words = ("--in-flight", 16, "--price", PRICE)
    with ExitStack() as running:
        with running_server("--latency-s", 0.1) as server:
            patience = "from vargpt_datagen.endpoint import writer; writer.PATIENCE_S = 15.0\n"
            options: dict[str, Any] = {"cwd": tmp_path, "rows": 200, "before": patience}
            process = running.enter_context(started_build(server.url, *words, **options))
            wait_until(lambda: server.ledger()["billed"] >= 50)
            first = {sha256 for sha256, _ in server.billed()}
            port = server.port
        line = refusal(ended(process))
    assert "cannot be reached ([Errno " in line
    assert "no reply to any request for a while" in line
    with running_server("--port", port) as server:
        expect_built(build(server.url, *words, cwd=tmp_path, rows=200))
        second = {sha256 for sha256, _ in server.billed()}
        assert server.ledger()["billed_again"] == 0
    assert len(first & second) <= 16
    assert 200 - 16 - len(first) <= len(second) <= 200 - len(first) + 16


@pytest.mark.slow
def test_a_disk_full_under_the_journal_pays_again_at_most_for_what_was_in_flight(
    server: Server, tmp_path: Path
):
    server.configure(latency_s=0.1)
    words = ("--in-flight", 16, "--price", PRICE)
    ran = build(server.url, *words, cwd=tmp_path, rows=200, preexec=limited(300_000))
    line = refusal(ran)
    assert "the journal cannot be written" in line
    assert "Free some space or choose a local disk with --work-dir DIR" in line
    assert 16 < server.ledger()["billed"] < 200

    expect_built(build(server.url, *words, cwd=tmp_path, rows=200))
    assert server.ledger()["distinct"] == 200
    assert server.ledger()["billed_again"] <= 16
