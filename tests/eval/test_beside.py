"""Answers beside a baseline's: the page, the judge behind a real endpoint, what is refused."""

import json
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.eval.answered import write_jsonl
from tests.eval.command import refusal, refusal_here, vargpt_eval
from tests.eval.hub_layout import llava_bench
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

    asked: list[dict[str, Any]]
    when_asked: Callable[[int], None]  # gets how many were asked

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        type(self).when_asked(len(self.asked))
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


@contextmanager
def endpoint(when_asked: Callable[[int], None] = lambda _: None) -> Iterator[tuple[str, list]]:
    """Its URL, and what it was asked."""
    asked: list[dict[str, Any]] = []
    bound = type("Bound", (Endpoint,), {"asked": asked, "when_asked": staticmethod(when_asked)})
    server = HTTPServer(("127.0.0.1", 0), bound)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()


def judged_words(runs, out: Path, url: str) -> list[str]:
    words = ["beside", *runs, "--out", out, "--judge", url, "--judge-model", "m"]
    return [*map(str, words), "--key-env", "NO_SUCH_KEY"]


def test_an_endpoint_judges_and_neither_model_always_comes_first(runs, tmp_path):
    with endpoint() as (url, asked):
        ran = vargpt_eval(*judged_words(runs, tmp_path / "out", url))
    assert ran.returncode == 0, ran.stderr
    assert "3 pairs, 3 judged" in ran.stdout
    held = json.loads((tmp_path / "out/beside.json").read_text())["pairs"]
    scores = {(pair["verdict"]["score"], pair["verdict"]["baseline_score"]) for pair in held}
    assert scores == {(9, 3), (3, 9)}
    assert "[Description]\nA red thing." in asked[0]["messages"][1]["content"]
    assert asked[0]["temperature"] == 0


def test_ctrl_c_keeps_the_verdicts_and_prints_the_command_that_continues(runs, tmp_path):
    process: list[subprocess.Popen[str]] = []

    def interrupt(num_asked: int) -> None:
        if num_asked == 2:
            process[0].send_signal(signal.SIGINT)

    with endpoint(interrupt) as (url, asked):
        words = judged_words(runs, tmp_path / "out", url)
        process.append(
            subprocess.Popen(
                [sys.executable, "-m", "vargpt_eval", *words],
                stderr=subprocess.PIPE,
                text=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        )
        _, stderr = process[0].communicate(timeout=240)
        assert process[0].returncode == 130, stderr
        assert stderr.splitlines()[-1].startswith(
            "interrupted; what is done is kept. Continue with: vargpt-eval beside "
        )
        held = (tmp_path / "out/.work/verdicts.jsonl").read_text().splitlines()
        assert len(held) in (1, 2)  # the second, where its reply outran the signal
        asked.clear()
        ran = vargpt_eval(*words)
    assert ran.returncode == 0, ran.stderr
    assert len(asked) == 3 - len(held)


def test_a_full_disk_keeps_whole_verdicts_and_says_of_which_file(runs, tmp_path):
    out = tmp_path / "out"
    with endpoint() as (url, asked):
        words = judged_words(runs, out, url)
        whole = vargpt_eval(*judged_words(runs, tmp_path / "whole", url))
        assert whole.returncode == 0, whole.stderr
        size = (tmp_path / "whole/.work/verdicts.jsonl").stat().st_size
        limit = size - 40  # within the third verdict
        ran = subprocess.run(
            [sys.executable, "-m", "vargpt_eval", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert ran.returncode == 2, ran.stderr
        assert f"error: {out}/.work/verdicts.jsonl: File too large" in ran.stderr
        assert (out / ".work/verdicts.jsonl").stat().st_size == limit
        asked.clear()
        ran = vargpt_eval(*words)
    assert ran.returncode == 0, ran.stderr
    assert len(asked) == 1
    assert "3 pairs, 3 judged" in ran.stdout


def test_a_line_that_is_no_verdict_is_named(runs, tmp_path):
    kept = tmp_path / "out/.work/verdicts.jsonl"
    kept.parent.mkdir(parents=True)
    kept.write_text('{"pair": "x"}\n')
    with pytest.raises(UserError, match=r"verdicts\.jsonl, line 1: no verdict found"):
        set_beside(runs[0], runs[1], tmp_path / "out")


def test_pictures_stand_in_the_page_where_the_data_is_at_hand(runs, tmp_path):
    llava_bench(tmp_path / "data")
    named = set_beside(runs[0], runs[1], tmp_path / "named").page.read_text("utf-8")
    shown = set_beside(runs[0], runs[1], tmp_path / "shown", data=tmp_path / "data")
    page = shown.page.read_text("utf-8")
    assert (named.count("<img"), page.count("<img")) == (0, 3)
    assert page.count('<img src="data:image/png;base64,') == 3
    assert page.count('loading="lazy"') == 3
    assert "img-src data:;" in page
    assert "script-src" not in page


def test_a_picture_that_cannot_be_read_is_said_so_in_the_page(runs, tmp_path):
    llava_bench(tmp_path / "data")
    path = tmp_path / "data/llava-bench-in-the-wild/data/train-00000-of-00001.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    rows[1]["image"] = {"bytes": b"no picture", "path": "1.png"}
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    done = set_beside(runs[0], runs[1], tmp_path / "out", data=tmp_path / "data")
    page = done.page.read_text("utf-8")
    assert page.count("<img") == 2
    assert page.count("(picture cannot be read)") == 1


def test_data_without_the_benchmark_is_refused_with_the_command_that_gets_it(runs, tmp_path):
    words = ("--out", tmp_path / "out", "--data", tmp_path)
    found = refusal_here("beside", *runs, *words)
    assert "hf download lmms-lab-encoder/llava-bench-in-the-wild" in found


def test_a_key_goes_to_no_open_line_and_is_asked_for(monkeypatch):
    with pytest.raises(UserError, match="neither https nor this machine"):
        open_judge("http://judge.example/v1", "m", "SOME_KEY")
    with pytest.raises(UserError, match="neither https nor this machine"):
        open_judge("http://[::1", "m", "SOME_KEY")
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
    words = ("--judge-model", "m")
    assert "no --judge found" in refusal_here("beside", *runs, "--out", tmp_path / "out", *words)
    words = ("--task", "../llava_bench")
    found = refusal_here("beside", *runs, "--out", tmp_path / "out", *words)
    assert "--task ../llava_bench: no benchmark of this name" in found
    words = ("--judge", "http://127.0.0.1:1/v1")
    assert "no --judge-model found" in refusal("beside", *runs, "--out", tmp_path / "out", *words)
