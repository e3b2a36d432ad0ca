"""`vargpt generate`: prompts -> pictures and a `generations` table, in shards that resume."""

import hashlib
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image

from vargpt_model.commands.prompts import Prompt
from vargpt_model.drawing import DrawingConfig
from vargpt_model.generation import GenerationOptions, ImagePart, Reply, answer
from vargpt_model.generation.random_streams import stream_seed
from vargpt_model.preprocessing import open_image
from vargpt_model.training.checkpoints import sha256_of, write_file
from vargpt_model.training.folder_lock import expect_config, locked
from vargpt_model.training.progress import Progress
from vargpt_model.weights.model_folder import Opened, model_sha256, open_config, open_model
from vargpt_schema import GENERATIONS, GenerationRecord, Message

PROMPTS_PER_SHARD = 64  # at least; whole batches


class Generated(NamedTuple):
    """What a folder holds now."""

    num_prompts: int
    num_images: int
    num_without_image: int


def generate_folder(
    model: Path,
    prompts: list[Prompt],
    out: Path,
    *,
    seed: int,
    options: GenerationOptions,
    batch_size: int,
    dtype: torch.dtype | None = None,
    device: str | None = None,
) -> Generated:
    """Answer all prompts; OUT gets `generations-*.parquet` and `images/*.png`.

    A prompt's reply depends on the model, the options, `seed` and its prompt_id alone (on a CPU in
    float32; elsewhere sums may differ in their last bits with the batch). Shards that are there are
    kept. UserError as the parts that it is made of.
    """
    shard_size = -(-PROMPTS_PER_SHARD // batch_size) * batch_size
    shards = [prompts[start : start + shard_size] for start in range(0, len(prompts), shard_size)]
    out.mkdir(parents=True, exist_ok=True)
    drawing = options.drawing or open_config(model).drawing_config
    with locked(out):
        sha256 = model_sha256(model)
        settings = {
            "model_sha256": sha256,
            "prompts_sha256": _prompts_sha256(prompts),
            "seed": seed,
            "options": {**asdict(options), "drawing": asdict(drawing)},
            "batch_size": batch_size,
            "dtype": str(dtype),
        }
        expect_config(out, settings)
        paths = [
            out / f"generations-{n:05d}-of-{len(shards):05d}.parquet" for n in range(len(shards))
        ]
        open_shards = [number for number, path in enumerate(paths) if not path.exists()]
        opened = open_model(model, dtype=dtype, device=device) if open_shards else None
        done = sum(len(shards[n]) for n in range(len(shards)) if n not in open_shards)
        progress = Progress("generate", done=done, total=len(prompts), unit="prompts")
        for number in open_shards:
            records = []
            shard = shards[number]
            for start in range(0, len(shard), batch_size):
                assert opened is not None
                batch = shard[start : start + batch_size]
                seeds = [stream_seed(seed, f"prompt/{prompt.prompt_id}") for prompt in batch]
                replies = _answered(opened, batch, seeds, options)
                for offset, (prompt, own_seed, reply) in enumerate(
                    zip(batch, seeds, replies, strict=True)
                ):
                    row = number * shard_size + start + offset
                    records += _records(out, row, prompt, own_seed, reply, options, drawing, sha256)
                done += len(batch)
                progress.show(done)
            GENERATIONS.write(records, paths[number])
    return _counted(out, len(prompts))


def _answered(
    opened: Opened, batch: list[Prompt], seeds: list[int], options: GenerationOptions
) -> list[Reply]:
    conversations = [[Message("user", prompt.text)] for prompt in batch]
    images = [[open_image(path) for path in prompt.images] for prompt in batch]
    return answer(
        opened.model, opened.processor, conversations, images, seeds=seeds, options=options
    )


def _records(
    out: Path,
    row: int,
    prompt: Prompt,
    seed: int,
    reply: Reply,
    options: GenerationOptions,
    drawing: DrawingConfig,
    model_sha256: str,
) -> list[GenerationRecord]:
    records = []
    for index, part in enumerate(reply.parts):
        is_image = isinstance(part, ImagePart)
        name = f"images/{row:06d}-{index}.png" if is_image else None
        if isinstance(part, ImagePart) and name is not None:
            write_file(out / name, partial(_save_png, part.picture()))
        records.append(
            GenerationRecord(
                prompt_id=prompt.prompt_id,
                prompt=prompt.text,
                seed=seed,
                part_index=index,
                kind="image" if is_image else "text",
                text=None if isinstance(part, ImagePart) else part.text,
                image=name,
                image_sha256=sha256_of(out / name) if name else None,
                guidance_scale=drawing.guidance_scale,
                guidance_schedule=drawing.guidance_schedule,
                # Codes are drawn from the model's own distribution.
                temperature=1.0 if is_image else options.temperature,
                top_k=drawing.top_k if is_image else options.top_k,
                top_p=drawing.top_p if is_image else options.top_p,
                model_sha256=model_sha256,
                finish_reason=reply.finish_reason,
            )
        )
    return records


def _save_png(picture: Image.Image, path: Path) -> None:
    picture.save(path, format="PNG")


def _prompts_sha256(prompts: list[Prompt]) -> str:
    digest = hashlib.sha256()
    for prompt in prompts:
        pictures = [sha256_of(path) if path.is_file() else str(path) for path in prompt.images]
        digest.update(json.dumps([prompt.prompt_id, prompt.text, pictures]).encode())
    return digest.hexdigest()


def _counted(out: Path, num_prompts: int) -> Generated:
    table = GENERATIONS.read(out, columns=["prompt_id", "kind"])
    rows = zip(table["prompt_id"].to_pylist(), table["kind"].to_pylist(), strict=True)
    drawn = [prompt_id for prompt_id, kind in rows if kind == "image"]
    return Generated(num_prompts, len(drawn), num_prompts - len(set(drawn)))
