"""The test server of benchmarks/: its faults and limits come as often as asked, and repeatably."""

import http.client
import json
import time
from collections import Counter
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest

from tests.datagen.llm_server import (
    Server,
    post,
    request_body,
    running_server,
    wait_until,
)


@pytest.fixture(scope="module")
def shared_server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The one process of this module, as new and without latency."""
    shared_server.renew()
    return shared_server


def statuses(server: Server, captions: int, attempts: int) -> list[list[int]]:
    """Per caption the statuses of its attempts; the connections end with the faults."""
    return [
        [post(server, request_body(f"scene {number}")).status for _ in range(attempts)]
        for number in range(captions)
    ]


def test_faults_depend_on_the_body_and_the_attempt_alone(server: Server):
    server.configure(faults={"429": 0.3, "500": 0.2, "reset": 0.1, "refused": 0.1})
    first = statuses(server, captions=40, attempts=3)
    assert {status for row in first for status in row} == {200, 429, 500, 0, 400}
    assert any(len(set(row)) > 1 for row in first), "an attempt must change the draw"
    refused = [row for row in first if 400 in row]
    assert refused
    assert all(row == [400, 400, 400] for row in refused)

    server.reset()
    backwards = [post(server, request_body(f"scene {number}")) for number in reversed(range(40))]
    assert [got.status for got in reversed(backwards)] == [row[0] for row in first]


def test_a_share_is_met(server: Server):
    server.configure(faults={"500": 0.25})
    seen = Counter(row[0] for row in statuses(server, captions=400, attempts=1))
    assert 70 < seen[500] < 130
    assert seen[200] == 400 - seen[500]


def test_spoilt_completions_are_billed_like_good_ones(server: Server):
    server.configure(faults={"malformed": 1})
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(post(server, request_body("a dog")).content)
    server.configure(faults={"blank": 1})
    assert post(server, request_body("a dog")).content.strip() == ""
    server.configure(faults={"length": 1})
    found = json.loads(post(server, request_body("a dog")).body)["choices"][0]
    assert found["finish_reason"] == "length"
    with pytest.raises(ValueError, match="Unterminated string"):
        json.loads(found["message"]["content"])
    assert server.ledger()["billed"] == 3
    assert server.ledger()["billed_again"] == 2


def test_a_body_cut_off_in_the_middle_is_billed_unread(server: Server):
    server.configure(faults={"cut": 1})
    with pytest.raises(http.client.IncompleteRead):
        post(server, request_body("a dog"))
    ledger = server.ledger()
    assert (ledger["billed"], ledger["billed_unread"]) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "content_type", "size", "start"),
    [
        ("html", "text/html", 67, b"<!doctype html>"),
        ("empty", "application/json", 0, b""),
        ("junk", "application/json", 37, b'{"status"'),
        ("huge", "application/json", 10_000_000, b'{"choices"'),
    ],
)
def test_a_foreign_body_comes_with_status_200_and_costs_nothing(
    server: Server, kind: str, content_type: str, size: int, start: bytes
):
    server.configure(faults={kind: 1})
    got = post(server, request_body("a dog"))
    assert (got.status, got.headers["content-type"], len(got.body)) == (200, content_type, size)
    assert got.body.startswith(start)
    assert server.ledger()["billed"] == 0


def test_a_dripping_body_goes_on_until_the_client_leaves(server: Server):
    server.configure(faults={"drip": 1})
    connection = server.connect()
    connection.request("POST", "/v1/chat/completions", request_body("a dog"))
    response = connection.getresponse()
    assert response.read(3) == b"   "
    assert server.ledger()["in_flight"] == 1
    response.close()
    connection.close()
    wait_until(lambda: server.ledger()["in_flight"] == 0)


def test_a_refusal_has_the_form_of_deepseek_and_is_counted_when_sent_again(server: Server):
    server.configure(faults={"refused": 1})
    got = post(server, request_body("a dog"))
    assert got.status == 400
    assert json.loads(got.body)["error"] == {
        "message": "Content Exists Risk",
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_request_error",
    }
    assert server.ledger()["sent_refused_again"] == 0
    post(server, request_body("a dog"))
    post(server, request_body("a cat"))
    assert server.ledger()["sent_refused_again"] == 1


def test_above_the_limit_of_requests_at_a_time_it_is_busy(server: Server):
    server.configure(concurrent=2, latency_s=30)
    waiting = [server.connect() for _ in range(2)]
    for number, connection in enumerate(waiting):
        connection.request("POST", "/v1/chat/completions", request_body(f"scene {number}"))
    wait_until(lambda: server.ledger()["in_flight"] == 2)
    got = post(server, request_body("a dog"))
    assert (got.status, got.headers["retry-after"]) == (429, "1")
    for connection in waiting:
        connection.close()
    wait_until(lambda: server.ledger()["in_flight"] == 0)
    server.configure(latency_s=0)
    assert post(server, request_body("a dog")).status == 200


def test_above_the_limit_of_requests_per_second_it_is_busy(server: Server):
    server.configure(requests_per_s=0.001, burst=3)
    found = [post(server, request_body("a dog")).status for _ in range(5)]
    assert found == [200, 200, 200, 429, 429]
    server.configure(requests_per_s=20)
    assert post(server, request_body("a dog")).status == 200
    wait_until(lambda: post(server, request_body("a dog")).status == 200)


def test_requests_beyond_a_limit_are_no_attempts(server: Server):
    server.configure(faults={"500": 0.5})
    draws = [row[0] for row in statuses(server, captions=20, attempts=1)]
    server.reset()
    server.configure(requests_per_s=0.001, burst=1)
    assert post(server, request_body("in between")).status in (200, 500)
    assert {row[0] for row in statuses(server, captions=20, attempts=1)} == {429}
    server.configure(requests_per_s=None)
    assert [row[0] for row in statuses(server, captions=20, attempts=1)] == draws


def test_retry_after_is_a_number_a_date_or_missing(server: Server):
    server.configure(faults={"429": 1}, retry_after_s=2.5)
    assert post(server, request_body("a dog")).headers["retry-after"] == "2.5"
    server.configure(retry_after_date=True, retry_after_s=3600)
    date = post(server, request_body("a dog")).headers["retry-after"]
    assert date.endswith(" GMT")
    until = parsedate_to_datetime(date)
    assert 3_000 < until.timestamp() - time.time() <= 3_600
    server.configure(retry_after_s="none")
    assert "retry-after" not in post(server, request_body("a dog")).headers


@pytest.mark.parametrize("status", [401, 402, 403, 404, 422, 429, 500])
def test_a_status_for_all_requests_comes_with_an_error_that_may_repeat_the_key(
    server: Server, status: int
):
    server.configure(status=status)
    got = post(server, request_body("a dog"), "sk-secret")
    assert got.status == status
    assert "sk-secret" not in got.body.decode()
    server.configure(echo_key=True)
    got = post(server, request_body("a dog"), "sk-secret")
    assert json.loads(got.body)["error"]["message"] == "Not accepted: Bearer sk-secret"
    assert server.ledger()["by_status"] == {str(status): 2}


def test_a_completion_may_repeat_the_key(server: Server):
    server.configure(echo_key=True)
    assert (
        post(server, request_body("a dog"), "sk-secret").content == "Your key is Bearer sk-secret"
    )


def test_a_redirect_names_its_target(server: Server):
    server.configure(redirect="http://127.0.0.1:9/v1/chat/completions")
    got = post(server, request_body("a dog"))
    assert (got.status, got.headers["location"]) == (307, "http://127.0.0.1:9/v1/chat/completions")


def test_an_outage_answers_503_or_drops_the_connection(server: Server):
    server.configure(outage_from_s=0)
    assert post(server, request_body("a dog")).status == 503
    server.configure(outage_refuse=True)
    assert post(server, request_body("a dog")).status == 0
    server.configure(outage_from_s=3_600)
    assert post(server, request_body("a dog")).status == 200
    server.configure(outage_from_s=0, outage_to_s=0)
    assert post(server, request_body("a dog")).status == 200
    server.configure(ready_after_s=3_600, outage_refuse=False)
    assert post(server, request_body("a dog")).status == 503
    assert server.ledger()["by_status"] == {"503": 2, "dropped": 1, "200": 2}
