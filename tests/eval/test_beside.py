"""Answers beside a baseline's: the page, the judge behind a real endpoint, what is refused."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.eval.answered import write_jsonl
from tests.eval.command import refusal, vargpt_eval
from vargpt_eval.beside import Pair, Verdict, set_beside
from vargpt_eval.judge import open_judge, read_verdict
from vargpt_schema import ANSWERS, AnswerRecord, UserError


def llava_run(folder: Path, word: str, model: str, count: int = 3) -> Path:
    records = [
        AnswerRecord(
            task="llava_bench",
            sample_id=str(number),
            prompt=f"What is <b>{number}</b>?",
            images=(f"00{number}.jpg",),
            raw_response=f"{word} <script>alert({number})</script>",
            finish_reason="stop",
            error=None,
            model_sha256=model * 64,
            generation_config_sha256="c" * 64,
        )
        for number in range(count)
    ]
    ANSWERS.write(records, folder / "answers/llava_bench.parquet")
    rows = [
        {
            "question_id": str(number),
            "gpt_answer": "Red.",
            "caption": "A red thing.",
            "category": "conv",
        }
        for number in range(count)
    ]
    write_jsonl(folder / "answers/llava_bench.items.jsonl", rows)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    return llava_run(tmp_path / "ours", "good", "a"), llava_run(tmp_path / "base", "plain", "b")


def test_answers_stand_beside_each_other_with_the_benchmarks_own(runs, tmp_path):
    done = set_beside(runs[0], runs[1], tmp_path / "out")
    assert (done.num_pairs, done.num_judged) == (3, 0)
    page = done.page.read_text("utf-8")
    assert "good &lt;script&gt;alert(0)&lt;/script&gt;" in page
    assert "plain &lt;script&gt;" in page
    assert "<script>" not in page
    assert "Red." in page
    held = json.loads((tmp_path / "out/beside.json").read_text("utf-8"))
    assert held["pairs"][1]["prompt"] == "What is <b>1</b>?"
    assert held["mean"] is None


def test_verdicts_are_kept_and_only_missing_ones_asked_for(runs, tmp_path):
    asked: list[str] = []

    def judge(pair: Pair) -> Verdict | None:
        asked.append(pair.sample_id)
        return None if pair.sample_id == "1" else Verdict(8, 6, "clearer")

    first = set_beside(runs[0], runs[1], tmp_path / "out", judge=judge)
    again = set_beside(runs[0], runs[1], tmp_path / "out", judge=judge)
    assert asked == ["0", "1", "2", "1"]
    assert (first.num_judged, again.num_judged) == (2, 2)
    assert json.loads((tmp_path / "out/beside.json").read_text())["mean"] == [8, 6]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8 6\nBetter.", Verdict(8, 6, "Better.")),
        ("10, 1\nYes", Verdict(10, 1, "Yes")),
        ("7.0 9.0", Verdict(7, 9, "")),
        ("The first is 8 of 10.", None),
        ("11 3", None),
        ("", None),
    ],
)
def test_a_verdict_is_two_numbers_on_the_first_line(text, expected):
    assert read_verdict(text, is_turned=False) == expected
    turned = None if expected is None else Verdict(expected[1], expected[0], expected[2])
    assert read_verdict(text, is_turned=True) == turned


class Endpoint(BaseHTTPRequestHandler):
    """Says `9 3` to everything and remembers it."""

    asked: list[dict[str, Any]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        message = {"role": "assistant", "content": "9 3\nbecause"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
        data = json.dumps({**body, "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """No lines on stderr."""


def test_an_endpoint_judges_and_neither_model_always_comes_first(runs, tmp_path):
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        words = ("--judge", url, "--judge-model", "m", "--key-env", "NO_SUCH_KEY")
        ran = vargpt_eval("beside", *runs, "--out", tmp_path / "out", *words)
    finally:
        server.shutdown()
        server.server_close()
    assert ran.returncode == 0, ran.stderr
    assert "3 pairs, 3 judged" in ran.stdout
    held = json.loads((tmp_path / "out/beside.json").read_text())["pairs"]
    scores = {(pair["verdict"]["score"], pair["verdict"]["baseline_score"]) for pair in held}
    assert scores == {(9, 3), (3, 9)}
    content = Endpoint.asked[0]["messages"][1]["content"]
    assert "[Description]\nA red thing." in content
    assert Endpoint.asked[0]["temperature"] == 0


def test_a_key_goes_to_no_open_line_and_is_asked_for(monkeypatch):
    with pytest.raises(UserError, match="neither https nor this machine"):
        open_judge("http://judge.example/v1", "m", "SOME_KEY")
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(UserError, match="SOME_KEY is not set"):
        open_judge("https://judge.example/v1", "m", "SOME_KEY")


def test_answers_of_one_model_are_not_set_beside_themselves(runs, tmp_path):
    same = llava_run(tmp_path / "same", "other", "a")
    with pytest.raises(UserError, match="answers of one model found"):
        set_beside(runs[0], same, tmp_path / "out")


def test_runs_without_answers_or_a_judges_model_are_refused(runs, tmp_path):
    assert "stored answers expected" in refusal(
        "beside", tmp_path, runs[1], "--out", tmp_path / "out"
    )
    words = ("--judge", "http://127.0.0.1:1/v1")
    assert "no --judge-model found" in refusal("beside", *runs, "--out", tmp_path / "out", *words)
