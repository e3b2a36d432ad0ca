"""Follows the pages: python follow.py JOBS LOGS, both made by test_pages_followed.py.

JOBS is a JSON list of {"walk", "folder", "words", "variables"}. All commands run one after
the other in this one process, so that torch is imported once. What a walk prints goes to
LOGS/WALK.log, and where one of its commands fails its last line names that command; the rest of
that walk is left out.
"""

import contextlib
import importlib
import json
import os
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PROGRAMS = {
    "datagen": "vargpt_datagen.cli",
    "vargpt": "vargpt_model.cli",
    "vargpt-eval": "vargpt_eval.cli",
}


def exit_code_of(words: Sequence[str]) -> int | str | None:
    """Of one command, run to its end; 0 is success."""
    try:
        if words[:2] == ["python", "-c"]:
            exec(compile(words[2], "page", "exec"), {"__name__": "__main__"})
        else:
            sys.argv = list(words)
            importlib.import_module(PROGRAMS[words[0]]).main()
    except SystemExit as ended:
        return ended.code
    except Exception:
        traceback.print_exc()
        return "a traceback"
    return 0


@contextlib.contextmanager
def printing_to(log: Path) -> Iterator[None]:
    """Standard output and error, of libraries and child processes too, behind a file's end."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in enumerate(kept, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)


def follow(job: dict[str, Any], log: Path) -> bool:
    """Whether a command succeeded."""
    as_before = dict(os.environ)
    os.chdir(job["folder"])
    os.environ.update(job["variables"])
    try:
        with printing_to(log):
            what = shlex.join(job["words"])
            print(f"$ {what}", flush=True)
            code = exit_code_of(job["words"])
            if code:
                print(f"failed with {code}: {what}", flush=True)
    finally:
        os.environ.clear()
        os.environ.update(as_before)
    return not code


def main(jobs: Path, logs: Path) -> None:
    failed = set()
    for job in json.loads(jobs.read_text("utf-8")):
        walk = job["walk"]
        if walk not in failed and not follow(job, logs / f"{walk}.log"):
            failed.add(walk)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
