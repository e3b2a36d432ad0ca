"""The steps of small.py, each by the functions behind the public commands."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from small_run import LimitReachedError, SmallRun  # beside this file


def training_settings(values: dict[str, Any]) -> list[str]:
    """KEY=VALUE of each, as `--set` takes them."""
    return [f"{key}={value}" for key, value in values.items()]


def training_values(run: SmallRun, part: str | int) -> list[str]:
    """Those of a part of the configuration, whose seed is the run's."""
    return training_settings({"seed": run.config["seed"], **run.config["train"][part]})


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
        with_settings(ImageTokenizerTraining(), training_values(run, "image_tokenizer")),
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
    from vargpt_eval.world.summary import wilson_share
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
        found[split] = wilson_share(hits)
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
    training = with_settings(BaseTraining(), training_values(run, "base"))
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
    values = training_values(run, int(number))
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
