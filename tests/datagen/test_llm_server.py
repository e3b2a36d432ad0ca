"""The test server of benchmarks/: its replies, its ledger, its connections and options."""

import hashlib
import http.client
import json
import re
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.datagen.llm_server import (
    PROGRAM,
    Server,
    asking,
    post,
    request_body,
    running_server,
    self_signed,
    wait_until,
)
from vargpt_datagen.caption_source import WorldCaptions
from vargpt_datagen.checks import Candidate, first_fault
from vargpt_datagen.endpoint.completion import Usage, read_completion
from vargpt_datagen.plan import Plan, PlanConfig
from vargpt_datagen.pools import shipped_seeds, shipped_shot_pairs
from vargpt_datagen.request import Pools, RequestWriter


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The one process of this module, as new and without latency."""
    shared_server.renew()
    return shared_server


def test_replies_to_real_requests_pass_every_check(server: Server):
    captions = WorldCaptions()
    pools = Pools(seeds=shipped_seeds(), pairs=shipped_shot_pairs())
    plan = Plan(
        PlanConfig(
            seed=0,
            fingerprint="",
            num_captions=len(captions),
            pool_sizes=pools.sizes(),
            num_pairs=len(pools.pairs),
        )
    )
    requests = RequestWriter(captions, pools, model="asked-for", shots="pairs")
    connection = server.connect()
    prompts: Counter[str] = Counter()
    for position in range(300):
        request = requests.request(plan.row(position))
        connection.request("POST", "/v1/chat/completions", request.body)
        pair = json.loads(read_completion(connection.getresponse().read()).text)
        candidate = Candidate(
            prompt=pair["prompt"],
            answer=pair["answer"],
            caption=request.caption,
            shots=request.shots,
            seeds=request.seeds,
        )
        assert first_fault(candidate) is None, candidate
        prompts[pair["prompt"].replace(request.caption, "...")] += 1
    connection.close()
    assert len(prompts) == 4
    assert min(prompts.values()) > 30


@pytest.mark.parametrize("caption", ['a "quoted" sign', "a caf\u00e9 \u2603", "back\\slash {0}"])
def test_a_caption_of_any_characters_comes_back_unchanged(server: Server, caption: str):
    pair = json.loads(post(server, request_body(caption)).content)
    assert caption in pair["prompt"]
    assert caption in pair["answer"]


def test_a_completion_names_the_servers_model_and_not_the_one_asked_for(server: Server):
    found = json.loads(post(server, request_body("a dog")).body)
    assert found["model"] == "test-model-1"
    assert found["object"] == "chat.completion"
    assert found["choices"][0]["finish_reason"] == "stop"
    assert found["id"].startswith("chatcmpl-")
    assert isinstance(found["created"], int)


def test_the_first_reply_finds_nothing_in_the_cache_and_the_next_whole_units():
    with running_server("--latency-s", 0) as server:
        bodies = [post(server, request_body("a dog")).body for _ in range(2)]
    assert [read_completion(body).usage for body in bodies] == [
        Usage(prompt_tokens=258, cached_tokens=0, completion_tokens=18),
        Usage(prompt_tokens=258, cached_tokens=192, completion_tokens=18),
    ]


@pytest.mark.parametrize(
    ("shape", "keys"),
    [
        ("deepseek", {"prompt_cache_hit_tokens", "prompt_cache_miss_tokens"}),
        ("openai", {"prompt_tokens_details"}),
    ],
)
def test_usage_has_the_shape_asked_for(server: Server, shape: str, keys: set[str]):
    server.configure(usage=shape)
    usage = json.loads(post(server, request_body("a dog")).body)["usage"]
    assert usage.keys() - {"prompt_tokens", "completion_tokens", "total_tokens"} == keys
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_usage_may_be_left_out(server: Server):
    server.configure(usage="none")
    assert read_completion(post(server, request_body("a dog")).body).usage is None


def test_another_kind_of_request_gets_the_content_of_the_options(server: Server, tmp_path: Path):
    assert post(server, asking("Write seeds.")).content == "{}"
    server.configure(content='{"seeds": ["one"]}')
    assert post(server, asking("Caption: a dog\nWrite.")).content == '{"seeds": ["one"]}'
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"seeds": ["a"]}\n"plain text"\n')
    server.configure(content_file=str(lines))
    found = [post(server, asking(f"Write {text}.")).content for text in ("x", "y", "z", "y")]
    assert found == ['{"seeds": ["a"]}', "plain text", '{"seeds": ["a"]}', "plain text"]


def test_the_ledger_counts_what_was_paid_and_what_was_paid_twice(server: Server):
    before_s = time.monotonic()
    dog, cat = request_body("a dog"), request_body("a cat")
    for body, key in ((dog, "one"), (cat, "two"), (dog, "one")):
        assert post(server, body, key).status == 200
    ledger = server.ledger()
    assert ledger["requests"] == 3
    assert ledger["by_status"] == {"200": 3}
    assert (ledger["billed"], ledger["billed_again"], ledger["distinct"]) == (3, 1, 2)
    assert (ledger["billed_unread"], ledger["sent_refused_again"], ledger["abandoned"]) == (0, 0, 0)
    assert ledger["keys_seen"] == ["Bearer one", "Bearer two"]
    assert ledger["paths"] == {"/v1/chat/completions": 3}
    assert before_s <= ledger["first_request_s"] <= ledger["last_reply_s"] <= time.monotonic()
    digests = [hashlib.sha256(body).hexdigest() for body in (dog, cat, dog)]
    assert [sha256 for sha256, _ in server.billed()] == digests
    server.reset()
    assert server.ledger()["billed"] == 0


def test_a_request_whose_sender_leaves_is_not_billed(server: Server):
    server.configure(latency_s=0.3)
    connection = server.connect()
    connection.request("POST", "/v1/chat/completions", request_body("a dog"))
    wait_until(lambda: server.ledger()["in_flight"] == 1)
    connection.close()
    wait_until(lambda: server.ledger()["in_flight"] == 0)
    ledger = server.ledger()
    assert (ledger["abandoned"], ledger["billed"], ledger["max_in_flight"]) == (1, 0, 1)


def test_replies_after_so_many_that_are_paid_for_wait_for_a_change(server: Server):
    server.configure(hold_after=1)
    assert post(server, request_body("a dog")).status == 200
    found: list[int] = []
    thread = threading.Thread(
        target=lambda: found.append(post(server, request_body("a cat")).status)
    )
    thread.start()
    wait_until(lambda: server.ledger()["in_flight"] == 1)
    assert server.ledger()["billed"] == 1
    server.configure(hold_after=None)
    thread.join()
    assert found == [200]
    assert server.ledger()["billed"] == 2


def test_a_reply_takes_the_latency_while_others_are_answered_too(server: Server):
    server.configure(latency_s=0.3)
    started_s = time.monotonic()
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(post(server, request_body(str(n))).status))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 8
    assert time.monotonic() - started_s >= 0.3
    assert server.ledger()["max_in_flight"] > 1


def test_a_body_without_messages_and_an_unknown_path_are_errors(server: Server):
    assert post(server, b"{").status == 400
    assert post(server, b'{"messages": []}').status == 400
    assert post(server, b'{"messages": [{"role": "user"}]}').status == 400
    connection = server.connect()
    connection.request("GET", "/v1/chat/completions")
    assert connection.getresponse().status == 404
    connection.close()


def test_several_requests_share_a_connection_even_when_sent_at_once(server: Server):
    body = request_body("a dog")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    connection = server.connect()
    connection.connect()
    connection.sock.sendall((head + body) * 3)
    received = b""
    while received.count(b'"finish_reason"') < 3:
        received += connection.sock.recv(65_536)
    connection.close()
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert server.ledger()["max_in_flight"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latency": 1}, "latency: one of"),
        ({"port": 1}, "port: one of"),
        ({"faults": {"earthquake": 0.5}}, "'earthquake' found"),
        ({"faults": {"500": 0.6, "429": 0.6}}, "shares of 1.2 in all"),
        ({"latency_s": -1}, "'-1' found, a number of at least 0 expected"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(
    server: Server, changes: dict[str, Any], message: str
):
    with pytest.raises(ValueError, match=re.escape(message)):
        server.configure(**changes)
    assert post(server, request_body("a dog")).status == 200


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fault", "429"], "a number of at least 0 expected"),
        (["--tls-cert", "no.pem"], "--tls-cert and --tls-key: both or neither expected"),
        (["--tls-cert", "no.pem", "--tls-key", "no.pem"], "a certificate and its key in PEM form"),
        (["--content-file", "no.jsonl"], "no.jsonl: JSON lines expected"),
    ],
)
def test_a_wrong_option_ends_with_one_line(words: list[str], message: str):
    ran = subprocess.run([sys.executable, str(PROGRAM), *words], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert message in ran.stderr


def test_a_port_that_is_taken_ends_with_one_line(server: Server):
    words = ["--port", str(server.port)]
    ran = subprocess.run([sys.executable, str(PROGRAM), *words], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"llm_server.py: --port {server.port}: [Errno 98]")


def test_with_a_certificate_it_speaks_tls(tmp_path: Path):
    certificate, key = self_signed(tmp_path)
    with running_server("--tls-cert", certificate, "--tls-key", key, "--latency-s", 0) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert post(server, request_body("a dog")).status == 200
        context = ssl.create_default_context(cafile=str(certificate))
        trusting = http.client.HTTPSConnection("127.0.0.1", server.port, context=context)
        trusting.request("POST", "/v1/chat/completions", request_body("a dog"))
        assert trusting.getresponse().status == 200
        trusting.close()
        server.configure(faults={"reset": 1})
        assert post(server, request_body("a dog")).status == 0


def test_a_server_may_start_again_on_the_same_port():
    with running_server("--latency-s", 0) as first:
        assert post(first, request_body("a dog")).status == 200
    with running_server("--latency-s", 0, "--port", first.port) as second:
        assert second.url == first.url
        assert second.ledger()["requests"] == 0
