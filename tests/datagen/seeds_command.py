"""Runs `datagen seeds` in a process of its own, with a server that has enough to say."""

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

from tests.datagen.command import START
from tests.datagen.endpoint_command import Ran, ended, environment
from tests.datagen.llm_server import Server

MODEL = "asked-model"
BATCH = 20  # texts in a canned reply


def good_text(number: int) -> str:
    """A text that passes the rules of every kind, and is like no other."""
    drawn = random.Random(number)
    words = [
        "".join(drawn.choice(letters) for letters in ("bdfgklmnprstvz", "aeiou") * 4)
        for _ in range(4)
    ]
    return "Use the words '{}', '{}', '{}' and '{}'.".format(*words)


def good_reply(number: int) -> str:
    """A reply with a batch of good texts, others for every number."""
    first = number * BATCH
    return json.dumps({"seeds": [good_text(first + item) for item in range(BATCH)]})


def good_replies(folder: Path, number: int) -> Path:
    """A file of canned replies for the test server's `--content-file`."""
    path = folder / "replies.jsonl"
    path.write_text("".join(f"{good_reply(line)}\n" for line in range(number)), "utf-8")
    return path


def start_seeds(
    server: Server, *words: object, cwd: Path, before: str = ""
) -> subprocess.Popen[str]:
    """`datagen seeds --out seeds --writer URL WORDS` in the background, without a key."""
    options = ("--out", "seeds", "--writer", server.url, "--model", MODEL, "--key-env", "none")
    return subprocess.Popen(
        [sys.executable, "-c", f"{before}\n{START}", "seeds", *map(str, (*options, *words))],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def make_seeds(server: Server, *words: object, cwd: Path, before: str = "") -> Ran:
    """As `start_seeds`, to its end."""
    return ended(start_seeds(server, *words, cwd=cwd, before=before))
