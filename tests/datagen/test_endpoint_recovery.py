"""After a fault: what is mended goes on, what was promised about money and keys still holds."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from tests.datagen.endpoint_command import MODEL, PRICE, build, expect_built
from tests.datagen.llm_server import Server, running_server
from vargpt_datagen.endpoint.address import endpoint_of
from vargpt_datagen.endpoint.client import Client
from vargpt_datagen.endpoint.completion import Completion, Usage
from vargpt_datagen.endpoint.gate import Gate
from vargpt_datagen.endpoint.key import MASK, Key, key_in
from vargpt_datagen.endpoint.money import Budget
from vargpt_datagen.endpoint.session import Session
from vargpt_datagen.endpoint.writer import EndpointWriter
from vargpt_datagen.reply import Reply
from vargpt_schema import UserError


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    shared_server.renew()
    return shared_server


def test_a_host_that_refused_everything_can_be_mended_and_the_same_command_goes_on(
    server: Server, tmp_path: Path
):
    server.configure(status=400)
    ran = build(server.url, cwd=tmp_path, rows=200)
    assert ran.returncode == 2, ran.stderr
    assert "not one usable reply in" in ran.stderr
    server.configure(status=None)
    expect_built(build(server.url, cwd=tmp_path, rows=200))
    manifest = json.loads((tmp_path / "build" / "manifest.json").read_text())
    assert manifest["counts"]["rows"] == 200
    assert manifest["rejects_by_reason"] == {}


def test_the_same_model_may_move_to_another_host(server: Server, tmp_path: Path):
    expect_built(build(server.url, cwd=tmp_path, rows=20))
    with running_server() as other:
        expect_built(build(other.url, cwd=tmp_path, rows=25))
        assert other.ledger()["billed"] == 5


def test_a_cap_is_refused_where_earlier_replies_have_no_price(server: Server, tmp_path: Path):
    expect_built(build(server.url, cwd=tmp_path, rows=20))
    ran = build(server.url, "--price", PRICE, "--max-usd", 1, cwd=tmp_path, rows=25)
    assert ran.returncode == 2
    assert "20 replies of this folder came while no price was known" in ran.stderr
    assert server.ledger()["billed"] == 20


def test_a_journal_elsewhere_belongs_to_one_build(server: Server, tmp_path: Path):
    words = ("--work-dir", tmp_path / "work")
    expect_built(build(server.url, *words, cwd=tmp_path, rows=20))
    (tmp_path / "build").rename(tmp_path / "first")
    ran = build(server.url, *words, cwd=tmp_path, rows=20)
    expect_built(ran)  # moved away and built again at the same place: the same build
    (tmp_path / "other").mkdir()
    ran = build(server.url, *words, cwd=tmp_path / "other", rows=20)
    assert ran.returncode == 2
    assert f"holds the journal of the build in {tmp_path / 'build'}" in ran.stderr


def test_what_may_have_been_billed_without_a_reply_is_told_and_counted(
    server: Server, tmp_path: Path
):
    server.configure(faults={"cut": 0.3})
    ran = build(server.url, "--price", PRICE, "--max-usd", 1, cwd=tmp_path, rows=40)
    expect_built(ran)
    assert "USD at most for requests that may have been billed and brought no reply" in ran.stderr
    journal = tmp_path / "build" / ".work" / "journal.sqlite"
    with closing(sqlite3.connect(journal)) as database:
        ((at_risk_usd,),) = database.execute("SELECT at_risk_usd FROM runs").fetchall()
    assert at_risk_usd > 0


KEY = Key("sk-live/AbCd+1234==")


@pytest.mark.parametrize(
    "text",
    [
        "the key sk-live/AbCd+1234== is wrong",
        r"the key sk-live\/AbCd+1234== is wrong",
        "the key sk-live%2FAbCd%2B1234%3D%3D is wrong",
        r"the key \u0073k-live/AbCd+1234\u003d= is wrong",
    ],
)
def test_a_key_is_masked_however_it_is_spelled(text: str):
    assert KEY.mask(text) == f"the key {MASK} is wrong"


def test_a_key_given_in_place_of_its_variable_is_not_printed():
    with pytest.raises(UserError) as error:
        key_in("sk-proj-MySecretKey123456")
    assert "MySecret" not in str(error.value)


@pytest.mark.parametrize("writer", ["sk-proj-MySecretKey123456", "a:MySecretKey123456"])
def test_a_key_given_in_place_of_a_writer_is_not_printed(writer: str, tmp_path: Path):
    ran = build(writer, cwd=tmp_path)
    assert ran.returncode == 2
    assert "MySecret" not in ran.stdout + ran.stderr
    assert MODEL not in ran.stderr


class DearClient:
    """A model that thinks: every reply costs more than was asked for."""

    reply_timeout_s = 60.0

    async def complete(self, _body: bytes) -> Completion:
        return Completion("{}", "stop", "m", Usage(5_000, 0, 30_000))


def test_a_reply_dearer_than_its_worst_case_is_kept_and_stops_a_capped_run():
    endpoint = endpoint_of("http://127.0.0.1:1/v1", "m", "1,2")
    tariff = endpoint.tariff
    assert tariff

    async def run() -> Reply:
        gate = Gate(100, probes=True)
        budget = Budget(tariff, cap_usd=1.0, earlier_usd=0.0, note_at_risk=lambda _: None)
        client = cast(Client, DearClient())
        writer = EndpointWriter(endpoint, client, gate, budget, max_output_tokens=160)
        reply = await writer.complete(b"x" * 2_000)
        with pytest.raises(UserError, match=r"a reply was billed 0\.0650 USD, at most 0\.0024"):
            await writer.complete(b"y" * 2_000)
        return reply

    assert asyncio.run(run()).usd == pytest.approx(0.065)


def test_the_display_projects_the_cost_of_all_rows_and_tells_of_trouble():
    async def shown() -> str:
        endpoint = endpoint_of("http://127.0.0.1:1/v1", "m", "1,2")
        assert endpoint.tariff
        gate = Gate(100)
        budget = Budget(endpoint.tariff, cap_usd=9.0, earlier_usd=0.5, note_at_risk=lambda _: None)
        client = cast(Client, DearClient())
        writer = EndpointWriter(endpoint, client, gate, budget, max_output_tokens=160)
        await gate.enter()
        writer.traffic.busy, writer.traffic.failed = 1_200, 3
        writer.traffic.prompt_tokens, writer.traffic.cached_tokens = 1_000, 250
        writer.traffic.last_failure = "HTTP 503: asleep"
        writer.traffic.last_answer_s = gate.now() - 11
        return Session(writer, gate, budget).note(10, 40)

    assert asyncio.run(shown()) == (
        "1 in flight, 429: 1,200, failed: 3, 0.50 USD of about 2.00, cache 25%, "
        "no answer lately: HTTP 503: asleep"
    )


def test_a_capped_run_sends_eight_requests_until_the_first_answer():
    async def run() -> int:
        gate = Gate(100, probes=True)
        entering = [asyncio.create_task(gate.enter()) for _ in range(100)]
        await asyncio.sleep(0.01)
        probes = gate.in_flight
        gate.leave(1, "answered")
        await asyncio.sleep(0.01)
        assert gate.in_flight > probes
        for task in entering:
            task.cancel()
        return probes

    assert asyncio.run(run()) == 8
