"""`transformers serve` takes our requests; what a random model says is dropped, and said so.

A server program that nobody here wrote. Opt in with `pytest -m serve`: its environment, apart from
the project's, comes from the package registries (5.4 GB in uv's cache the first time).
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.datagen.command import datagen
from tests.datagen.enriched import write_enriched

pytestmark = pytest.mark.serve

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 180.0  # the first import of transformers in a new environment takes half a minute
MODEL = "tiny"
# A Llama of one layer with random weights, and a tokenizer that knows every byte. It samples, so
# that replies to one request differ; each token ends the reply with a chance of about 1 in 260.
MAKE_MODEL = """
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(
    vocab_size=260,
    special_tokens=["<s>", "</s>"],
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    show_progress=False,
)
tokenizer.train_from_iterator(["a red ring left of a blue star", "a dog on a sofa"], trainer)
fast = PreTrainedTokenizerFast(
    tokenizer_object=tokenizer,
    bos_token="<s>",
    eos_token="</s>",
    pad_token="</s>",
    chat_template=(
        "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\\n"
        "{% endfor %}assistant:"
    ),
)
torch.manual_seed(0)
shape = LlamaConfig(
    vocab_size=len(fast),
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=1,
    num_attention_heads=2,
    max_position_embeddings=16_384,
    bos_token_id=fast.bos_token_id,
    eos_token_id=fast.eos_token_id,
)
model = LlamaForCausalLM(shape)
model.generation_config = GenerationConfig(
    do_sample=True, top_k=0, eos_token_id=fast.eos_token_id, pad_token_id=fast.pad_token_id
)
model.save_pretrained(sys.argv[1])
fast.save_pretrained(sys.argv[1])
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and what it prints."""

    url: str
    log: Path

    def statuses(self) -> list[int]:
        """HTTP status of every chat completion so far, as the server logged it."""
        found = re.findall(r'"POST /v1/chat/completions HTTP/1\.1" (\d+)', self.log.read_text())
        return [int(status) for status in found]


def in_environment() -> list[str]:
    """Words that run a program where `transformers serve` is installed; skips without one."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not on PATH, so no environment for `transformers serve` can be made")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"]
    words = [
        *(uv, "run", "--quiet", "--isolated", "--no-project"),
        *("--python", f"{sys.version_info.major}.{sys.version_info.minor}"),
        *("--exclude-newer", settings["exclude-newer"]),
        *("--with", "transformers[serving]"),
    ]
    made = subprocess.run([*words, "python", "-c", ""], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        reason = " ".join(made.stderr.split())[-300:]
        pytest.skip(f"no environment for `transformers serve` can be made: {reason}")
    return words


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`transformers serve` with the tiny model, stopped at the end."""
    folder = tmp_path_factory.mktemp("serve")
    words = in_environment()
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / "hf"),
        "OMP_NUM_THREADS": "1",  # where cores are shared, torch's threads spin for each other
    }
    making = [*words, "python", "-c", MAKE_MODEL, MODEL]
    made = subprocess.run(
        making, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr[-2000:]
    log = folder / "log.txt"
    serving = ["transformers", "serve", MODEL, "--host", "127.0.0.1", "--port", "0"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [*words, *serving, "--device", "cpu", "--default-seed", "0"],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Server(f"{address_in(log, process)}/v1", log)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)  # uv and the server below it
        process.wait(timeout=30)


def address_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    """The address that a starting server prints once it listens."""
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until and process.poll() is None:
        listening = re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text())
        if listening:
            return listening[1]
        time.sleep(0.2)
    raise AssertionError(f"the server did not start:\n{log.read_text()[-2000:]}")


def build(folder: Path, server: Server, model: str) -> subprocess.CompletedProcess[str]:
    """Three rows of 40 captions: 12 of these are spares, so 15 requests are made."""
    captions = [f"a red ring left of {number} blue stars" for number in range(2, 42)]
    write_enriched(folder / "captions.parquet", captions)
    return datagen(
        *("build-130k", "--captions", "captions.parquet", "--rows", 3, "--out", "build"),
        # No key: a real one of this machine has no business at a test's server.
        *("--writer", server.url, "--model", model, "--key-env", "none"),
        cwd=folder,
    )


def replies(folder: Path) -> list[tuple[str, str, int, int]]:
    """Model, finish reason, prompt and completion tokens of every reply in the journal."""
    with closing(sqlite3.connect(folder / "build" / ".work" / "journal.sqlite")) as journal:
        return journal.execute(
            "SELECT model, finish_reason, prompt_tokens, completion_tokens FROM replies"
        ).fetchall()


def reject_counts(message: str) -> dict[str, int]:
    """Rejects by reason in the last line; their order is that of the replies."""
    listed = re.search(r"\(rejects: ([^;]*);", message)
    assert listed, message
    pairs = [entry.rsplit(" ", 1) for entry in listed[1].split(", ")]
    return {reason: int(count) for reason, count in pairs}


def test_useless_replies_become_rejects_and_the_command_ends_saying_so(
    tmp_path: Path, server: Server
):
    asked_before = len(server.statuses())
    ran = build(tmp_path, server, MODEL)
    assert ran.returncode == 2, ran.stderr
    last_line = ran.stderr.splitlines()[-1]
    assert "all 12 spare captions are used up and 3 rows are still without text" in last_line

    statuses = server.statuses()[asked_before:]
    arrived = replies(tmp_path)
    assert set(statuses) == {200}  # no field of the request was refused
    assert len(arrived) == len(statuses)  # and no reply was lost
    assert {model for model, *_ in arrived} == {f"{MODEL}@main"}  # the name that it reported
    assert {finish_reason for _, finish_reason, *_ in arrived} == {"stop", "length"}
    assert all(prompt_tokens > 1_000 for *_, prompt_tokens, _ in arrived)
    assert max(completion_tokens for *_, completion_tokens in arrived) == 160

    rejects = reject_counts(last_line)
    assert sum(rejects.values()) == 15
    assert set(rejects) <= {"cut_off", "malformed_json", "blank"}
    assert not (tmp_path / "build" / "manifest.json").exists()


def test_the_same_command_again_asks_for_no_reply_twice(tmp_path: Path, server: Server):
    asked_before = len(server.statuses())
    first = build(tmp_path, server, MODEL)
    asked = len(server.statuses())
    assert asked > asked_before
    again = build(tmp_path, server, MODEL)
    assert again.returncode == 2, again.stderr
    assert reject_counts(again.stderr.splitlines()[-1]) == reject_counts(
        first.stderr.splitlines()[-1]
    )
    assert len(server.statuses()) == asked


def test_requests_that_the_server_refuses_are_sent_once(tmp_path: Path, server: Server):
    asked_before = len(server.statuses())
    ran = build(tmp_path, server, "another-model")
    assert ran.returncode == 2, ran.stderr
    assert "refused" in ran.stderr.splitlines()[-1]
    statuses = server.statuses()[asked_before:]
    assert set(statuses) == {400}
    assert len(statuses) <= 15
