"""Endpoints that are not there or answer badly: one line and exit code 2, or all rows anyway."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.datagen.endpoint_command import (
    BRISK,
    IMPATIENT,
    KEY,
    PRICE,
    build,
    canned_server,
    completion_of,
    ended,
    expect_built,
    http_response,
    refusal,
    started_build,
)
from tests.datagen.llm_server import Server, running_server, self_signed
from vargpt_datagen.endpoint.failure import (
    BusyError,
    RefusedError,
    StoppedError,
    UnansweredError,
)

IN_FLIGHT = 8
# Python that runs before the command: the clock leaps by five days, there and back, all the time.
LEAPING_CLOCK = """
import datetime, time
real_s = time.time
def leaping_s():
    return real_s() + (432_000 if int(time.monotonic() * 50) % 2 else -432_000)
time.time = leaping_s
from vargpt_datagen import prices
prices.now_utc = lambda: datetime.datetime.fromtimestamp(leaping_s(), datetime.UTC)
"""
# The most memory that the process had, as Linux counts it since the start of the program.
NOTES_MEMORY = """
import atexit, pathlib
def note_memory():
    status = pathlib.Path("/proc/self/status").read_text()
    pathlib.Path("peak_kb").write_text(status.partition("VmHWM:")[2].split()[0])
atexit.register(note_memory)
"""


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The one process of this module, as new and without latency."""
    shared_server.renew()
    return shared_server


def is_unpublished(folder: Path) -> bool:
    """Whether a folder holds no more than what a later run goes on with."""
    return [path.name for path in folder.iterdir()] == [".work"]


def test_a_status_that_no_request_will_survive_stops_the_run_at_once(tmp_path: Path):
    to_do = {
        "401": "The key was not accepted: set the right one, then run the same command",
        "402": "The account has no money left: top it up, then run the same command",
        "403": "The key was not accepted: set the right one, then run the same command",
        "404": "Check the address of --writer and the name of --model, then run the same command",
        "307": "give that address with --writer if you trust it",
    }
    lines = {}
    with ExitStack() as running:
        elsewhere, redirected = running.enter_context(canned_server(http_response("200 OK", b"")))
        runs = []
        for status in to_do:
            (tmp_path / status).mkdir()
            said = b'{"error": {"message": "Not today"}}'
            response = http_response(f"{status} No", said, f"Location: {elsewhere}")
            url, heads = running.enter_context(canned_server(response))
            process = started_build(url, "--in-flight", IN_FLIGHT, cwd=tmp_path / status)
            runs.append((status, url, heads, running.enter_context(process)))
        for status, url, heads, process in runs:
            lines[status] = line = refusal(ended(process))
            assert line.startswith(f"error: {url}: HTTP {status}: Not today. ")
            assert line.endswith(f"{to_do[status]}; what has arrived is kept.")
            assert 1 <= len(heads) <= IN_FLIGHT
            assert is_unpublished(tmp_path / status / "build")
        assert f"It redirects to {elsewhere}, which is not followed" in lines["307"]
        assert redirected == []


def test_a_host_that_is_not_there_stops_the_run_at_once(tmp_path: Path):
    (tmp_path / "other").mkdir()
    refusing, unknown = "http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1"
    with (
        started_build(refusing, cwd=tmp_path) as first,
        started_build(unknown, cwd=tmp_path / "other") as second,
    ):
        lines = [refusal(ended(first)), refusal(ended(second))]
    assert lines[0].startswith(f"error: {refusing}: cannot be reached ([Errno ")
    assert lines[1].startswith(f"error: {unknown}: its name is not known (DNS). ")
    for line in lines:
        assert line.endswith("Check --writer, and that the server runs; what has arrived is kept.")
    assert is_unpublished(tmp_path / "build")
    assert is_unpublished(tmp_path / "other" / "build")


def test_a_certificate_that_nobody_vouches_for_gets_no_request_until_it_is_trusted(
    tmp_path: Path, monkeypatch
):
    certificate, key = self_signed(tmp_path)
    with running_server("--tls-cert", certificate, "--tls-key", key) as server:
        line = refusal(build(server.url, cwd=tmp_path, variables={"OPENAI_API_KEY": KEY}))
        assert "its certificate is not trusted (" in line
        assert "self-signed certificate" in line
        assert server.ledger()["requests"] == 0
        assert server.ledger()["keys_seen"] == []

        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(RefusedError, match="no messages found"):
            asyncio.run(completion_of(server.url))
        assert server.ledger()["keys_seen"] == [f"Bearer {KEY}"]


def test_https_at_a_port_that_speaks_plain_http_is_told_as_such(tmp_path: Path):
    with canned_server(http_response("400 Bad Request", b""), asks=False) as (url, _):
        words = (url.replace("http:", "https:"), "--key-env", "none")
        line = refusal(build(*words, cwd=tmp_path))
    assert ": TLS failed (" in line
    assert line.endswith("Check --writer, and that the server runs; what has arrived is kept.")


@pytest.mark.parametrize(
    ("status", "kind"), [("401 No", StoppedError), ("400 Bad", RefusedError), ("429 No", BusyError)]
)
def test_of_an_error_of_ten_megabytes_the_status_counts(status, kind):
    response = http_response(status, b"why " * 2_500_000)
    with canned_server(response) as (url, _), pytest.raises(kind, match="why why") as failure:
        asyncio.run(completion_of(url))
    assert len(str(failure.value)) < 400


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (http_response("200 OK", b""), "an empty body instead of a chat completion"),
        (
            http_response("200 OK", b"<!doctype html><p>Sign in</p>"),
            "no chat completion but '<!doctype html><p>Sign in</p>'",
        ),
        (http_response("200 OK", b'{"choices": []}'), "no chat completion but '{\"choices\": []}'"),
        (http_response("200 OK", b"{" * 1_100_000), "a body of more than 1,000,000 bytes"),
        (http_response("200 OK", b"")[:-2] + b"nonsense\r\n\r\n", "no proper HTTP ("),
        (b"220 mail.invalid ESMTP\r\n", "no proper HTTP ("),
        (b"", "connection lost ("),
    ],
    ids=["empty", "html", "no choices", "huge", "bad header", "mail server", "closed"],
)
def test_a_body_that_is_no_completion_is_quoted(response, said):
    with canned_server(response) as (url, _), pytest.raises(UnansweredError) as failure:
        asyncio.run(completion_of(url))
    assert str(failure.value).startswith(said)
    assert failure.value.may_be_billed


def test_a_server_of_another_kind_ends_with_one_line(tmp_path: Path):
    with canned_server(b"220 mail.invalid ESMTP\r\n") as (url, _):
        line = refusal(build(url, "--in-flight", IN_FLIGHT, cwd=tmp_path, before=IMPATIENT))
    assert line.startswith(f"error: {url}: no proper HTTP (Bad status line: ")
    assert line.endswith("run the same command when the endpoint answers again.")
    assert is_unpublished(tmp_path / "build")


def test_foreign_broken_and_huge_bodies_are_asked_again_and_take_no_memory(
    server: Server, tmp_path: Path
):
    shares = {"empty": 0.06, "html": 0.06, "junk": 0.06, "cut": 0.06, "reset": 0.06}
    server.configure(faults=shares | {"huge": 0.3})
    ran = build(server.url, "--price", PRICE, cwd=tmp_path, before=BRISK + NOTES_MEMORY)
    expect_built(ran)
    assert ran.stdout.startswith("40 rows, 0 rejects, ")
    assert server.ledger()["billed"] == 40
    assert server.ledger()["by_status"]["200"] > 60
    assert int((tmp_path / "peak_kb").read_text()) < 400_000


def test_replies_that_drip_without_an_end_are_given_up_after_the_time_given(
    server: Server, tmp_path: Path
):
    server.configure(faults={"drip": 0.2})
    expect_built(build(server.url, "--reply-timeout", 1, cwd=tmp_path, before=BRISK))
    assert server.ledger()["billed"] == 40


@pytest.mark.slow
def test_a_server_that_only_drips_ends_with_one_line(server: Server, tmp_path: Path):
    server.configure(faults={"drip": 1})
    words = ("--reply-timeout", 0.5, "--in-flight", IN_FLIGHT)
    line = refusal(build(server.url, *words, cwd=tmp_path, before=IMPATIENT))
    assert line.startswith(f"error: {server.url}: no complete reply in 0.5 s; no reply to any ")


@pytest.mark.slow
def test_a_clock_that_leaps_by_days_changes_nothing(server: Server, tmp_path: Path):
    server.configure(faults={"429": 0.2, "500": 0.1}, latency_s=0.1, retry_after_s=0.2)
    words = ("--price", PRICE, "--max-usd", 1, "--in-flight", IN_FLIGHT)
    expect_built(build(server.url, *words, cwd=tmp_path, before=LEAPING_CLOCK))
    assert server.ledger()["billed"] == 40
    assert server.ledger()["billed_again"] == 0
