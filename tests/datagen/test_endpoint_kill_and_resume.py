"""SIGKILL, Ctrl-C, more rows, a deleted .work: what has been paid for is not paid for again."""

import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.datagen.command import published
from tests.datagen.endpoint_command import (
    MODEL,
    PRICE,
    build,
    ended,
    expect_built,
    journal_of,
    replies_of,
    started_build,
)
from tests.datagen.llm_server import Server, post, running_server, wait_until
from vargpt_datagen.build_130k import Build130kConfig, open_inputs
from vargpt_datagen.writer_config import WriterConfig

LONG_BEFORE_S = 1.0  # a reply that old has been read, and was in the journal when the kill came


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The one process of this module, as new; its prefix cache is warm, so all runs cost alike."""
    shared_server.renew()
    config = Build130kConfig(writer=WriterConfig(name=shared_server.url, model=MODEL))
    inputs = open_inputs(config)
    post(shared_server, inputs.requests.request(inputs.plan.row(100_000)).body)
    shared_server.reset()
    return shared_server


def killed_at(server: Server, num_billed: int, *words: object, cwd: Path, rows: int) -> float:
    """Kill a build when the server has billed so much; the monotonic time of the kill."""
    with started_build(server.url, *words, cwd=cwd, rows=rows) as process:
        wait_until(lambda: server.ledger()["billed"] >= num_billed)
        killed_s = time.monotonic()
        process.send_signal(signal.SIGKILL)
        assert ended(process).returncode == -signal.SIGKILL
        return killed_s


def expect_paid_once(server: Server, killed_s: float, *, in_flight: int, rows: int) -> None:
    """Of the replies that had been read, none is paid again; of all, at most what was in flight."""
    bills = server.billed()
    times_billed = Counter(sha256 for sha256, _ in bills)
    assert len(times_billed) == rows
    assert server.ledger()["billed_again"] <= in_flight
    read = {sha256 for sha256, time_s in bills if time_s < killed_s - LONG_BEFORE_S}
    assert read
    assert {times_billed[sha256] for sha256 in read} == {1}


def test_a_killed_build_goes_on_where_it_was(server: Server, tmp_path: Path):
    server.configure(latency_s=0.2)
    words = ("--in-flight", 16, "--price", PRICE)
    killed_s = killed_at(server, 110, *words, cwd=tmp_path, rows=150)
    expect_built(build(server.url, *words, cwd=tmp_path, rows=150))
    expect_paid_once(server, killed_s, in_flight=16, rows=150)


@pytest.mark.slow
def test_sigkill_at_half_pays_nothing_again_that_was_read_and_changes_no_byte(
    server: Server, tmp_path: Path
):
    server.configure(latency_s=0.2)
    words = ("--in-flight", 256, "--price", PRICE)
    for name in ("calm", "killed"):
        (tmp_path / name).mkdir()
    expect_built(build(server.url, *words, cwd=tmp_path / "calm", rows=3_000))
    server.reset()
    killed_s = killed_at(server, 1_500, *words, cwd=tmp_path / "killed", rows=3_000)
    expect_built(build(server.url, *words, cwd=tmp_path / "killed", rows=3_000))
    expect_paid_once(server, killed_s, in_flight=256, rows=3_000)
    calm = published(tmp_path / "calm" / "build")
    assert published(tmp_path / "killed" / "build") == calm


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_no_byte_and_pays_for_what_was_in_flight_at_most(
    server: Server, tmp_path: Path
):
    server.configure(latency_s=0.1, faults={"refused": 0.02})
    words = ("--in-flight", 64, "--price", PRICE)
    for name in ("calm", "killed"):
        (tmp_path / name).mkdir()
    expect_built(build(server.url, *words, cwd=tmp_path / "calm", rows=1_500))
    calm = server.ledger()["billed"]
    server.reset()
    chosen = random.Random(7181)
    num_kills = 0
    for kill in range(5):
        rows = 750 if kill < 2 else 1_500  # the later kills meet a build that was raised
        with started_build(server.url, *words, cwd=tmp_path / "killed", rows=rows) as process:
            time.sleep(chosen.uniform(0.5, 2.5))
            process.send_signal(signal.SIGKILL)
            num_kills += ended(process).returncode == -signal.SIGKILL
    assert num_kills >= 2
    expect_built(build(server.url, *words, cwd=tmp_path / "killed", rows=1_500))
    assert server.ledger()["billed"] <= calm + 64 * num_kills
    assert published(tmp_path / "killed" / "build") == published(tmp_path / "calm" / "build")


def test_ctrl_c_keeps_what_has_arrived_and_prints_the_command_that_continues(
    server: Server, tmp_path: Path
):
    server.configure(latency_s=0.2)
    words = ("--in-flight", 8, "--price", PRICE)
    with started_build(server.url, *words, cwd=tmp_path, rows=100) as process:
        wait_until(lambda: server.ledger()["billed"] >= 30)
        process.send_signal(signal.SIGINT)
        ran = ended(process)
    assert ran.returncode == 130, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "error: " not in ran.stderr
    said = f"--writer {server.url} --in-flight 8 --price {PRICE} --model {MODEL}"
    assert ran.stderr.endswith(
        "interrupted; what has arrived is kept. "
        f"Continue with: datagen build-130k --out build --rows 100 {said}\n"
    )
    assert server.ledger()["billed"] - 8 <= len(journal_of(tmp_path / "build"))
    assert not (tmp_path / "build" / "manifest.json").exists()


def test_more_rows_pay_for_the_new_ones_alone_even_without_the_journal(
    server: Server, tmp_path: Path
):
    for rows, new in ((40, 40), (60, 20)):
        server.reset()
        ran = build(server.url, "--price", PRICE, cwd=tmp_path, rows=rows)
        expect_built(ran)
        assert ran.stdout.startswith(f"{rows} rows, 0 rejects, ")
        assert server.ledger()["requests"] == server.ledger()["billed"] == new
        assert len(replies_of(tmp_path / "build")) == rows
        shutil.rmtree(tmp_path / "build" / ".work")


@pytest.mark.slow
def test_rows_raised_again_and_again_give_what_one_build_gives(server: Server, tmp_path: Path):
    server.configure(faults={"refused": 0.1})
    for rows in (50, 80, 120):
        server.reset()
        expect_built(build(server.url, "--price", PRICE, cwd=tmp_path, rows=rows))
        assert server.ledger()["sent_refused_again"] == 0
        assert server.ledger()["billed_again"] == 0
    raised = published(tmp_path / "build")
    shutil.rmtree(tmp_path / "build")
    server.reset()
    expect_built(build(server.url, "--price", PRICE, cwd=tmp_path, rows=120))
    once = published(tmp_path / "build")
    assert {name: data for name, data in once.items() if name.startswith("data/")} == {
        name: data for name, data in raised.items() if name.startswith("data/")
    }
