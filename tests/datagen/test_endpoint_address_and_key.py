"""Where a key may go and where it must never be seen: addresses, environment, echoes, redirects."""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datagen.endpoint_command import (
    KEY,
    MODEL,
    Ran,
    build,
    canned_server,
    completion_of,
    ended,
    expect_built,
    http_response,
    journal_of,
    refusal,
    rejects_of,
    replies_of,
    started_build,
    texts_below,
)
from tests.datagen.llm_server import Server, running_server, wait_until
from vargpt_datagen.cli import main
from vargpt_datagen.endpoint.address import checked_url, endpoint_of, read_key
from vargpt_datagen.endpoint.completion import Completion
from vargpt_datagen.endpoint.failure import (
    BusyError,
    RefusedError,
    StoppedError,
    UnansweredError,
)
from vargpt_datagen.endpoint.key import Key
from vargpt_schema import UserError

SECRET = "hunter2-hunter2"
FAILURES = (BusyError, RefusedError, StoppedError, UnansweredError)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The one process of this module, as new and without latency."""
    shared_server.renew()
    return shared_server


def expect_unseen(secret: str, ran: Ran, folder: Path) -> None:
    assert secret not in ran.stdout
    assert secret not in ran.stderr
    assert secret not in texts_below(folder)


@pytest.mark.parametrize(
    ("writer", "words", "variables", "found", "to_do"),
    [
        (
            "https://host.invalid/v1",
            (),
            {},
            "OPENAI_API_KEY: no key found",
            "export OPENAI_API_KEY=",
        ),
        ("deepseek", (), {}, "DEEPSEEK_API_KEY: no key found", "export DEEPSEEK_API_KEY="),
        (
            "http://127.0.0.1:9/v1",
            ("--key-env", "MINE"),
            {"OPENAI_API_KEY": SECRET},
            "MINE: no key found",
            "export MINE=",
        ),
        (
            "https://host.invalid/v1",
            (),
            {"OPENAI_API_KEY": f"{SECRET}\n{SECRET}"},
            "OPENAI_API_KEY: a key with spaces or special characters found",
            "Set it again",
        ),
        (
            "http://192.0.2.1/v1",
            (),
            {"OPENAI_API_KEY": SECRET},
            "--writer http://192.0.2.1/v1: the key of OPENAI_API_KEY would travel unencrypted",
            "Use https://, or --key-env none",
        ),
        (
            f"https://user:{SECRET}@host.invalid/v1",
            (),
            {},
            "--writer https://***@host.invalid: a URL with a user or password found",
            "--key-env",
        ),
        (
            f"https://host.invalid/v1?api_key={SECRET}",
            (),
            {},
            "--writer https://host.invalid/v1?***: a URL with a query found",
            "Leave out what follows the question mark",
        ),
        (
            "deepseek",
            ("--model", "deepseek-chat"),
            {"DEEPSEEK_API_KEY": SECRET},
            "--model deepseek-chat: retired",
            "deepseek-flash",
        ),
        (
            "http://127.0.0.1:9/v1",
            ("--in-flight", 0),
            {},
            "--in-flight 0: at least 1 was expected",
            "Raise it",
        ),
        (
            "http://127.0.0.1:9/v1",
            ("--max-usd", 1),
            {},
            "--max-usd 1: the price of asked-model at 127.0.0.1:9 is not known",
            "Add --price IN,OUT in USD per million tokens.",
        ),
        (
            "http://127.0.0.1:9/v1",
            ("--price", "1"),
            {},
            "--price 1: USD per million tokens as IN,OUT or IN,OUT,CACHED was expected",
            "Example: --price 0.15,0.60",
        ),
        (
            "http://127.0.0.1:9/v1",
            ("--reply-timeout", 0),
            {},
            "--reply-timeout 0: seconds above 0 were expected",
            "Change it",
        ),
    ],
)
def test_a_command_that_cannot_be_is_refused_before_anything_is_written(
    writer, words, variables, found, to_do, tmp_path: Path, monkeypatch, capsys
):
    for name in ("OPENAI_API_KEY", "DEEPSEEK_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    model = () if "--model" in words or writer == "deepseek" else ("--model", MODEL)
    command = ("datagen", "build-130k", "--rows", 5, "--writer", writer, *model, *words)
    monkeypatch.setattr("sys.argv", [str(word) for word in command])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main()
    stdout, stderr = capsys.readouterr()
    assert end.value.code == 2
    assert stdout == ""
    assert stderr.count("\n") == 1
    assert stderr.startswith(f"error: {found}")
    assert to_do in stderr
    assert SECRET not in stderr
    assert list(tmp_path.iterdir()) == []


def test_only_the_named_key_travels_and_other_openai_variables_are_ignored(
    server: Server, tmp_path: Path
):
    stolen = "sk-stolen-0123456789"
    with canned_server(http_response("404 Not Found", b"{}")) as (elsewhere, heads):
        proxy = elsewhere.removesuffix("/v1")
        variables = {
            "MINE": KEY,
            "OPENAI_API_KEY": stolen,
            "OPENAI_ADMIN_KEY": stolen,
            "OPENAI_BASE_URL": elsewhere,
            "OPENAI_LOG": "debug",
            "OPENAI_CUSTOM_HEADERS": f"Authorization: Bearer {stolen}",
            "HTTP_PROXY": proxy,
            "http_proxy": proxy,
            "HTTPS_PROXY": proxy,
            "ALL_PROXY": proxy,
        }
        ran = build(server.url, "--key-env", "MINE", cwd=tmp_path, rows=3, variables=variables)
    expect_built(ran)
    assert heads == []
    assert server.ledger()["keys_seen"] == [f"Bearer {KEY}"]
    assert server.ledger()["billed"] == 3
    assert "DEBUG" not in ran.stderr
    expect_unseen(KEY, ran, tmp_path)


def test_no_header_of_a_request_comes_from_the_environment_or_tells_of_the_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-the-environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Custom: custom-of-the-environment")
    with canned_server(http_response("200 OK", reply("{}"))) as (url, heads):
        asyncio.run(completion_of(url))
        asyncio.run(completion_of(url, key=None))
    assert not [head for head in heads if "of-the-environment" in head]
    first, second = (head.lower() for head in heads)
    assert f"authorization: bearer {KEY}" in first
    assert "authorization" not in second
    assert "x-stainless" not in first + second  # what the package tells of this machine
    assert os.environ["OPENAI_ORG_ID"] == "org-of-the-environment"


def test_a_key_echoed_in_an_error_is_seen_nowhere(server: Server, tmp_path: Path):
    server.configure(status=401, echo_key=True)
    ran = build(server.url, cwd=tmp_path, variables={"OPENAI_API_KEY": KEY})
    line = refusal(ran)
    assert "HTTP 401: Not accepted: Bearer ***. " in line
    assert "set the right one, then run the same command" in line
    expect_unseen(KEY, ran, tmp_path)


def test_a_key_echoed_in_replies_is_in_no_file_of_the_build(server: Server, tmp_path: Path):
    server.configure(echo_key=True, latency_s=0.05)
    variables = {"OPENAI_API_KEY": KEY}
    words = (server.url, "--in-flight", 4)
    with started_build(*words, cwd=tmp_path, rows=20, variables=variables) as process:
        wait_until(lambda: server.ledger()["billed"] >= 30)
        server.configure(echo_key=False)
        ran = ended(process)
    expect_built(ran)
    echoed = "Your key is Bearer ***"
    assert echoed in {text for _, text, *_ in journal_of(tmp_path / "build")}
    assert echoed in {row["text"] for row in replies_of(tmp_path / "build")}
    assert {row["text"] for row in rejects_of(tmp_path / "build")} == {echoed}
    expect_unseen(KEY, ran, tmp_path)


def reply(content: str, **other: str) -> bytes:
    choice = {"message": {"content": content}, "finish_reason": other.pop("finish_reason", "stop")}
    return json.dumps({"choices": [choice], "model": "m"} | other).encode()


def test_a_key_is_masked_in_every_part_of_a_completion():
    body = reply(f"1{KEY}2", finish_reason=f"3{KEY}", model=f"4{KEY}")
    with canned_server(http_response("200 OK", body)) as (url, _):
        found = asyncio.run(completion_of(url))
    assert found == Completion("1***2", "3***", "4***", None)


@pytest.mark.parametrize(
    "response",
    [
        http_response("401 No", json.dumps({"error": {"message": f"{KEY}?"}}).encode()),
        http_response("429 Busy", f"<p>{KEY}</p>".encode()),
        http_response("400 Bad", json.dumps({"detail": KEY}).encode()),
        http_response("500 Fault", KEY.encode()),
        http_response("307 Elsewhere", b"", f"Location: https://elsewhere.invalid/?key={KEY}"),
        http_response("200 OK", f"<p>{KEY}</p>".encode()),
        http_response("200 OK", b"{}", f"Content-Encoding: {KEY}"),
        http_response("200 OK", b"{}", f"{KEY}"),  # no header at all
        f"{KEY}\r\n\r\n".encode(),  # no HTTP at all
    ],
    ids=["401", "429", "400", "500", "location", "html", "encoding", "header", "no HTTP"],
)
def test_a_key_is_masked_in_every_failure(response):
    with canned_server(response) as (url, _), pytest.raises(FAILURES) as failure:
        asyncio.run(completion_of(url))
    assert KEY[:8] not in str(failure.value)
    assert KEY[:8] not in str(failure.value.__cause__)


@pytest.mark.parametrize("shown", range(8, len(KEY)))
def test_a_key_that_a_shortened_message_cuts_off_is_masked_too(shown: int):
    message = {"error": {"message": "x" * (200 - shown) + KEY}}
    response = http_response("401 No", json.dumps(message).encode())
    with canned_server(response) as (url, _), pytest.raises(StoppedError, match="xxx") as failure:
        asyncio.run(completion_of(url))
    assert KEY[:8] not in str(failure.value)


def test_a_key_is_masked_whole_or_cut_off_and_nothing_else_is():
    key = Key(KEY)
    assert key.mask(f"a {KEY}, {KEY}!") == "a ***, ***!"
    assert key.mask(f"{KEY[:-1]}, {KEY[:8]}") == "***, ***"
    assert key.mask("sk-test is a prefix") == "sk-test is a prefix"
    assert KEY not in repr(key)


words = st.text(st.sampled_from("abc123-_.~"), min_size=1, max_size=12)
secrets = words.map(lambda text: f"secret{text}")


@settings(deadline=None, max_examples=50)
@given(scheme=st.sampled_from(["http", "https", "HTTPS", "ftp", ""]), host=words, secret=secrets)
def test_no_address_with_a_secret_is_taken_and_none_is_printed(scheme, host, secret):
    for address in (
        f"{scheme}://{secret}@{host}/v1",
        f"{scheme}://user:{secret}@{host}/v1",
        f"{scheme}://:{secret}@{host}",
        f"{scheme}://{host}/v1?key={secret}",
        f"{scheme}://{host}/v1#{secret}",
        f"{scheme}://user:{secret}@{host}:99999999/v1",
        f"{scheme}://user:{secret}@[{host}/v1",
        f"{scheme}://user:{secret}@/v1",
        f"{scheme}://user:{secret}@{host}/v1\x1b",
    ):
        with pytest.raises(UserError) as error:
            checked_url(address)
        assert secret not in str(error.value)


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://host.invalid/v1", True),
        ("http://localhost:8000/v1", True),
        ("http://127.1.2.3/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://host.invalid/v1", False),
        ("http://localhost.host.invalid/v1", False),
        ("http://127.0.0.1.host.invalid/v1", False),
        ("http://10.0.0.1/v1", False),
        ("http://0.0.0.0/v1", False),
    ],
)
def test_a_key_goes_to_https_or_this_machine_alone(url, is_allowed, monkeypatch):
    monkeypatch.setenv("MINE", KEY)
    endpoint = endpoint_of(url, MODEL, None)
    if is_allowed:
        assert read_key(endpoint, "MINE") is not None
    else:
        with pytest.raises(UserError, match="would travel unencrypted"):
            read_key(endpoint, "MINE")
    assert read_key(endpoint, "none") is None
