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
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from packed_state import load, save  # beside this file

from vargpt_schema.errors import UserError

HERE = Path(__file__).parent
LIMIT_S = 450
RECORD = "small.json"  # steps done and figures


class LimitReachedError(Exception):
    """The limit was reached, or a signal came; what is done is kept."""


class SmallRun:
    """WORK, STATE, and what is done."""

    def __init__(self, config: dict[str, Any], work: Path, state: Path) -> None:
        self.config, self.work, self.state = config, work, state
        self.done: list[str] = []
        self.figures: dict[str, Any] = {}
        self.drawn: set[Path] = set()  # worlds that this process has looked through

    def open(self, states: list[Path]) -> None:
        """Go on where WORK is, or else where the first of these states that holds a set is."""
        self.work.mkdir(parents=True, exist_ok=True)
        if not (self.work / RECORD).exists():
            any(load(state, self.work) for state in states if state.is_dir())
        if (self.work / RECORD).exists():
            held = json.loads((self.work / RECORD).read_text())
            if held["config"] != json.loads(json.dumps(self.config)):
                raise UserError(
                    f"{self.work / RECORD}: a run of another configuration found. Choose another "
                    "--work and --state, or undo the change."
                )
            self.done, self.figures = held["done"], held["figures"]
            self._keep()

    def finish(self, step: str, figures: dict[str, Any]) -> None:
        """Write down that a step is done, and keep what the next ones need."""
        self.done.append(step)
        self.figures[step] = figures
        content = {"config": self.config, "done": self.done, "figures": self.figures}
        partial = self.work / f".{RECORD}"
        partial.write_text(json.dumps(content, indent=2) + "\n")
        partial.replace(self.work / RECORD)
        self._keep()

    @property
    def model(self) -> Path | None:
        """The newest of base, stage1, stage2, stage3."""
        made = [step for step in self.done if step in ("base", "stage1", "stage2", "stage3")]
        return self.work / made[-1] if made else None

    def _keep(self) -> None:
        kept = self.model or self.work / "image-tokenizer"
        files = [path for path in sorted(kept.iterdir()) if path.is_file()] if self.done else []
        members = [f"{kept.name}/{path.name}" for path in files if path.suffix != ".jsonl"]
        save(self.work, [RECORD, *members], self.state)


def training_settings(values: dict[str, Any]) -> list[str]:
    """KEY=VALUE of each, as `--set` takes them."""
    return [f"{key}={value}" for key, value in values.items()]


def curve_of(metrics: Path, names: tuple[str, ...], num_points: int = 40) -> list[dict[str, Any]]:
    """Some lines of a metrics.jsonl, the last among them."""
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    every = -(-len(lines) // num_points)
    return [
        {name: line[name] for name in ("step", *names) if name in line}
        for line in lines[::-1][::every][::-1]
    ]


def told(what: str) -> Callable[[int, int], None]:
    """Progress of a step in some lines on stderr."""
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 10 or done == total:
            last = time.monotonic()
            print(f"{what}: {done:,} of {total:,}", file=sys.stderr, flush=True)

    return show


def world(run: SmallRun, split: str) -> Path:
    """Pictures, captions, questions and prompts of a split; drawn where they are not there."""
    from vargpt_datagen.world.pictures import draw_world

    folder = run.work / f"world-{split}"
    if folder in run.drawn:
        return folder
    draw_world(
        folder,
        run.config["rows"][split],
        run.config["size_px"],
        told(f"pictures, {split}"),
        split=split,  # pyright: ignore[reportArgumentType]
        num_objects=int(run.config["scenes"].split()[-1]) if run.config["scenes"] else None,
        full_captions=True,
        questions=True,
        prompts=True,
    )
    run.drawn.add(folder)
    return folder


def requests(run: SmallRun) -> Path:
    """Rows that ask for drawings."""
    from vargpt_datagen.build_1270k import Build1270kConfig, build_1270k

    folder = run.work / "data-1270k"
    captions = world(run, "train") / "captions.parquet"
    rows = run.config["rows"]["1270k"]
    build_1270k(Build1270kConfig(out=folder, rows=rows, captions=str(captions)))
    return folder


def image_tokenizer(run: SmallRun) -> Path:
    """The image tokenizer's folder, taken out of the model where only that was kept."""
    from vargpt_model.image_tokenizer_folder import save_image_tokenizer
    from vargpt_model.weights import open_model

    folder = run.work / "image-tokenizer"
    if not (folder / "model.safetensors").exists():
        assert run.model is not None
        save_image_tokenizer(open_model(run.model, device="cpu").model.vae_local, folder)
    return folder


def codes(run: SmallRun) -> Path:
    """Codes of all training pictures."""
    from vargpt_model.encoding import EncodeConfig, encode_images
    from vargpt_model.pictures import pictures_in

    folder = run.work / "codes"
    pictures = pictures_in(world(run, "train"))
    encoding = EncodeConfig(centre="whole", batch_size=256, num_threads=os.cpu_count() or 2)
    if encode_images(image_tokenizer(run), pictures, folder, encoding).stopped_by:
        raise LimitReachedError
    return folder


def train_image_tokenizer(run: SmallRun) -> dict[str, Any]:
    from vargpt_model.image_tokenizer.presets import IMAGE_TOKENIZER_PRESETS
    from vargpt_model.image_tokenizer_training import ImageTokenizerTraining
    from vargpt_model.image_tokenizer_training import train_image_tokenizer as train
    from vargpt_model.pictures import pictures_of
    from vargpt_model.settings import with_settings

    data = world(run, "train")
    folder = run.work / "image-tokenizer"
    trained = train(
        pictures_of(data / "captions.parquet", data),
        folder,
        with_settings(IMAGE_TOKENIZER_PRESETS["tiny"], training_settings(run.config["set_model"])),
        with_settings(
            ImageTokenizerTraining(), training_settings(run.config["train"]["image_tokenizer"])
        ),
    )
    if trained.stopped_by:
        raise LimitReachedError
    curve = curve_of(folder / "metrics.jsonl", ("loss", "l1", "mse", "codes_in_use"))
    return {"curve": curve, "rebuilt": rebuilt(run)}


def rebuilt(run: SmallRun) -> dict[str, Any]:
    """Held-out scenes that the checker reads off their reconstruction: the most to be drawn."""
    import torch
    from PIL import Image

    from vargpt_eval.world import seen_scene
    from vargpt_eval.world.summary import share
    from vargpt_model.image_tokenizer_folder import open_image_tokenizer
    from vargpt_model.preprocessing import pixels
    from vargpt_schema.world import index_of, scene_at, scene_difference

    tokenizer = open_image_tokenizer(image_tokenizer(run))
    found = {}
    for split in ("validation", "withheld"):
        paths = sorted((world(run, split) / "world").glob("*.png"))[:500]
        hits = []
        for start in range(0, len(paths), 50):
            images = [Image.open(path).convert("RGB") for path in paths[start : start + 50]]
            with torch.inference_mode():
                drawn = tokenizer.decode(tokenizer.encode(torch.stack(list(map(pixels, images)))))
            levels = ((drawn + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
            for path, picture in zip(paths[start : start + 50], levels, strict=True):
                scene = scene_at(index_of(f"world-{path.stem}"))
                hits.append(not scene_difference(scene, seen_scene(picture)))
        found[split] = share(hits)
    return found


def train_base(run: SmallRun) -> dict[str, Any]:
    from vargpt_model.base_training import BaseTraining
    from vargpt_model.base_training import train_base as train
    from vargpt_model.settings import with_settings
    from vargpt_model.weights import start_from_preset, write_model
    from vargpt_model.weights.model_folder import is_complete

    start, data = run.work / "start", world(run, "train")
    settings = {"preset": run.config["preset"], "seed": run.config["seed"]}
    if not is_complete(start, settings):
        made = start_from_preset(
            run.config["preset"], seed=run.config["seed"], image_tokenizer=image_tokenizer(run)
        )
        write_model(start, made, settings, dtype=None)
    training = with_settings(BaseTraining(), training_settings(run.config["train"]["base"]))
    trained = train(start, data, data, run.work / "base", training, codes=codes(run))
    if trained.stopped_by:
        raise LimitReachedError
    names = ("loss", "question_accuracy", "shape_question_accuracy", "accuracy")
    phases = sorted((run.work / "base").glob("*/metrics.jsonl"))
    return {"curves": {path.parent.name: curve_of(path, names) for path in phases}}


def train_stage(run: SmallRun, number: str) -> dict[str, Any]:
    from vargpt_model.settings import with_settings
    from vargpt_model.stage_training import DataPaths, source_of, stage_training
    from vargpt_model.stage_training import train_stage as train

    data, drawing = world(run, "train"), requests(run)
    sources = []
    for listed in run.config["data"][int(number)]:
        name, colon, weight = listed.partition(":")
        folder = drawing if name == "1270k" else data / name
        sources.append(source_of(f"{folder}{colon}{weight}"))
    values = training_settings(run.config["train"][int(number)])
    assert run.model is not None
    trained = train(
        number,  # pyright: ignore[reportArgumentType]
        run.model,
        DataPaths(sources, data, codes(run)),
        run.work / f"stage{number}",
        with_settings(stage_training(number), values),  # pyright: ignore[reportArgumentType]
    )
    if trained.stopped_by:
        raise LimitReachedError
    names = ("loss", "text_loss", "image_loss", "loss_by_scale", "accuracy_by_scale")
    return {"curve": curve_of(run.work / f"stage{number}" / "metrics.jsonl", names)}


def draw_and_score(run: SmallRun) -> dict[str, Any]:
    from vargpt_eval.benchmark.run import run_benchmarks
    from vargpt_eval.world import score_world
    from vargpt_model.commands.generate_folder import generate_folder
    from vargpt_model.commands.prompts import read_prompts

    assert run.model is not None
    batch_size = run.config["generate"]["batch_size"]
    options = drawing_options(run.model, run.config["generate"]["options"])
    found: dict[str, Any] = {}
    for split in ("validation", "withheld"):
        data, drawn = world(run, split), run.work / f"drawn-{split}"
        prompts = data / "prompts.parquet"
        generate_folder(
            run.model,
            read_prompts(str(prompts)),
            drawn,
            seed=run.config["seed"],
            options=options,
            batch_size=batch_size,
        )
        read, asked = run.work / f"read-{split}", run.work / f"asked-{split}"
        score_world(drawn, prompts, read, told(f"drawings read, {split}"))
        run_benchmarks(
            run.model,
            ["world_questions"],
            data,
            asked,
            limit=run.config["questions"],
            batch_size=batch_size,
        )
        found[split] = {
            name: figures
            for folder in (read, asked)
            for name, figures in json.loads((folder / "summary.json").read_text()).items()
        }
        right, goal = found[split]["world"]["right"]["value"], run.config["goals"][split]
        found[split]["goal"] = {"right": goal, "is_met": right >= goal}
    return found


def drawing_options(model: Path, words: str) -> Any:
    """The options of `vargpt generate` that config/small.yaml has as words."""
    from dataclasses import replace

    from vargpt_model.generation import GenerationOptions
    from vargpt_model.weights.model_folder import open_config

    parser = argparse.ArgumentParser()
    parser.add_argument("--guidance", type=float, required=True)
    parser.add_argument("--top-k", type=int, required=True)
    parser.add_argument("--max-images", type=int, required=True)
    parser.add_argument("--max-part-tokens", type=int, required=True)
    chosen = parser.parse_args(words.split())
    drawing = replace(
        open_config(model).drawing_config, guidance_scale=chosen.guidance, top_k=chosen.top_k
    )
    return GenerationOptions(
        max_images=chosen.max_images, max_part_tokens=chosen.max_part_tokens, drawing=drawing
    )


STEPS: dict[str, Callable[[SmallRun], dict[str, Any]]] = {
    "image-tokenizer": train_image_tokenizer,
    "base": train_base,
    "stage1": lambda run: train_stage(run, "1"),
    "stage2": lambda run: train_stage(run, "2"),
    "stage3": lambda run: train_stage(run, "3"),
    "scores": draw_and_score,
}


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
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
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
    name_packages(words.work / ".names")
    run = SmallRun(read_config(is_cut=words.cut), words.work, words.state)
    names = list(STEPS)
    try:
        run.open([words.state, *([words.source] if words.source else [])])
        with stopping_after(words.limit_s):
            for step in names[: names.index(words.until) + 1]:
                if step not in run.done:
                    started = time.monotonic()
                    figures = STEPS[step](run)
                    run.finish(step, {"wall_s": round(time.monotonic() - started, 1), **figures})
                    print(f"{step} done", file=sys.stderr, flush=True)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
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
