"""Drawn images in every form that `gen-metrics` reads."""

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from vargpt_schema import EVAL_PROMPTS, GENERATIONS, EvalPromptRecord, GenerationRecord


def picture(seed: int, side_px: int = 16, brightness: int = 128) -> Image.Image:
    noise = np.random.default_rng(seed).normal(brightness, 40, (side_px, side_px, 3))
    return Image.fromarray(noise.clip(0, 255).astype(np.uint8))


def png(image: Image.Image) -> bytes:
    data = io.BytesIO()
    image.save(data, format="PNG")
    return data.getvalue()


def image_folder(folder: Path, count: int, *, first: int = 0, **options: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        (folder / f"{number:04d}.png").write_bytes(png(picture(number, **options)))
    return folder


def generations(folder: Path, count: int, *, first: int = 0, **options: int) -> Path:
    """A `generations` table with a text and a picture for every prompt."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    records = []
    for number in range(first, first + count):
        name = f"images/{number:04d}.png"
        data = png(picture(number, **options))
        (folder / name).write_bytes(data)
        for part, kind in enumerate(("text", "image")):
            is_image = kind == "image"
            records.append(
                GenerationRecord(
                    prompt_id=f"{number:04d}",
                    prompt=f"Please draw <b>thing</b> {number}.",
                    seed=0,
                    part_index=part,
                    kind=kind,
                    text=None if is_image else "Here it is:",
                    image=name if is_image else None,
                    image_sha256=hashlib.sha256(data).hexdigest() if is_image else None,
                    guidance_scale=1.5,
                    guidance_schedule="linear",
                    temperature=1.0,
                    top_k=0,
                    top_p=0.0,
                    model_sha256="a" * 64,
                    finish_reason="stop",
                )
            )
    GENERATIONS.write(records, folder / "generations-00000-of-00001.parquet")
    return folder


def prompts(path: Path, count: int) -> Path:
    EVAL_PROMPTS.write(
        [
            EvalPromptRecord(
                prompt_id=f"{number:04d}",
                prompt=f"Please draw <b>thing</b> {number}.",
                caption=f"thing {number}",
                image_id=f"world-{2_000_000 + number:08d}",
                split="validation",
                label=None,
                wnid=None,
                source="world",
                prompt_template_id=None,
            )
            for number in range(count)
        ],
        path,
    )
    return path
