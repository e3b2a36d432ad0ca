"""The small scale in three commands on a GPU, without Snakemake and without installing the toolkit.

    export PYTHONPATH=$(echo packages/*/src | tr ' ' ':')
    python pipelines/small.py --work WORK --state STATE --out OUT --until image-tokenizer
    python pipelines/small.py --work WORK --state STATE --out OUT --until stage3
    python pipelines/small.py --work WORK --state STATE --out OUT

Each call does what is not done yet, up to `--until`, and stops itself after `--limit-s`. STATE
keeps what the next call needs, in at most 8 files of 15 MiB: WORK may be lost between calls, as on
machines that are lent bare; `--from` names a STATE that cannot be written to. OUT gets the figures,
a grid of drawings and curves. Values are config/small.yaml's, which the workflow reads too.

Needs torch, transformers, accelerate, safetensors, numpy, pillow, pyarrow, jinja2 and pyyaml.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

try:
    import yaml
    from small_run import LimitReachedError, SmallRun  # beside this file, as the next
    from small_steps import STEPS

    from vargpt_schema.errors import UserError, refused_path
except ModuleNotFoundError as error:
    print(
        f"error: no module {error.name} found, what `python {sys.argv[0]}` needs was expected. "
        "Install it, or for vargpt_ modules run in the repository: "
        "export PYTHONPATH=$(echo packages/*/src | tr ' ' ':')",
        file=sys.stderr,
    )
    sys.exit(2)

HERE = Path(__file__).parent
LIMIT_S = 450
REMINDER_S = 10


def write_out(run: SmallRun, out: Path) -> None:
    """figures.json, curves and a grid of drawings, as far as they are there."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "figures.json").write_text(json.dumps(run.figures, indent=2) + "\n")
    for page in run.work.glob("*/curves.html"):
        shutil.copyfile(page, out / f"curves-{page.parent.name}.html")
    drawn = sorted((run.work / "drawn-validation" / "images").glob("*.png"))[:64]
    if drawn:
        from PIL import Image

        size = run.config["size_px"]
        grid = Image.new("RGB", (8 * size, -(-len(drawn) // 8) * size))
        for place, path in enumerate(drawn):
            with Image.open(path) as picture:
                grid.paste(picture, (place % 8 * size, place // 8 * size))
        grid.save(out / "grid.png")


@contextmanager
def stopping_after(seconds: float) -> Iterator[None]:
    """SIGTERM to ourselves behind the limit: trainings save and return, all else breaks off."""

    def stop(*_: object) -> None:
        raise LimitReachedError

    signal.signal(signal.SIGTERM, stop)
    is_over = threading.Event()

    def remind() -> None:
        wait_s = seconds
        while not is_over.wait(wait_s):  # again, should a signal hit where exceptions are ignored
            os.kill(os.getpid(), signal.SIGTERM)
            wait_s = REMINDER_S

    threading.Thread(target=remind, daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def name_packages(folder: Path) -> None:
    """Names and versions of our packages where Python looks for them, as if they were installed."""
    for path in HERE.parent.glob("packages/*/pyproject.toml"):
        project = tomllib.loads(path.read_text())["project"]
        name = f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
    sys.path.append(str(folder))


def expect_places(work: Path, state: Path, out: Path) -> None:
    """UserError for folders that lie in one another; OSError for one that cannot be made."""
    if state.resolve().is_relative_to(work.resolve()) or work.resolve().is_relative_to(
        state.resolve()
    ):
        raise UserError(
            f"--state {state}: a folder that is in --work {work} or holds it found, one apart from "
            "it was expected, as WORK may be lost. Give another."
        )
    if out.resolve() == state.resolve():
        raise UserError(
            f"--out {out}: the folder of --state found, another was expected: STATE is at most 8 "
            "files. Give another."
        )
    for folder in (state, out):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def read_config(*, is_cut: bool) -> dict[str, Any]:
    """config/small.yaml, and over it config/small-cut.yaml."""
    config = yaml.safe_load((HERE / "config" / "small.yaml").read_text())
    if is_cut:
        cut = yaml.safe_load((HERE / "config" / "small-cut.yaml").read_text())
        del cut["ablations"]
        config = _merged(config, cut)
    return config


def _merged(under: dict[Any, Any], over: dict[Any, Any]) -> dict[Any, Any]:
    both = {**under, **over}
    for key in under.keys() & over.keys():
        if isinstance(under[key], dict) and isinstance(over[key], dict):
            both[key] = _merged(under[key], over[key])
    return both


def main() -> int:
    """Do the steps that are open, up to --until."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="may be lost between calls")
    parser.add_argument("--state", type=Path, required=True, help="must be kept between calls")
    parser.add_argument("--from", dest="source", type=Path, help="STATE of an earlier call")
    parser.add_argument("--out", type=Path, required=True, help="figures.json, grid, curves")
    parser.add_argument("--until", choices=STEPS, default="scores")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="then stop and keep")
    parser.add_argument("--cut", action="store_true", help="a few steps of everything, as a test")
    words = parser.parse_args()
    run = SmallRun(read_config(is_cut=words.cut), words.work, words.state)
    names = list(STEPS)
    try:
        expect_places(words.work, words.state, words.out)
        run.open(words.source)
        name_packages(words.work / ".names")
        with stopping_after(words.limit_s):
            for step in names[: names.index(words.until) + 1]:
                if step not in run.done:
                    started = time.monotonic()
                    figures = STEPS[step](run)
                    run.finish(step, {"wall_s": round(time.monotonic() - started, 1), **figures})
                    print(f"{step} done", file=sys.stderr, flush=True)
    except (UserError, OSError) as error:
        refusal = refused_path(error) if isinstance(error, OSError) else error
        if refusal is None:
            raise
        print(f"error: {refusal}", file=sys.stderr)
        return 2
    except LimitReachedError:
        open_step = next(step for step in names if step not in run.done)
        print(f"stopped in {open_step}; the same command goes on there", file=sys.stderr)
    if run.done:
        write_out(run, words.out)
    print(f"{len(run.done)} of {len(STEPS)} steps done -> {words.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
