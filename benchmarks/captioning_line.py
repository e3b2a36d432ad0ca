"""Lines of `gpu.py` about captions: a BLIP-2 2.7B of random weights, saved, loaded and asked."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    OPTConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from vargpt_datagen.captioning.blip2 import Captioner
from vargpt_datagen.captioning.decoding import Decoders, decode, default_num_decoders
from vargpt_datagen.captioning.images import list_images
from vargpt_datagen.captioning.presets import PRESETS
from vargpt_datagen.captioning.shards import Shard, captioned_shards

IMAGE_SIZE_PX = (500, 375)  # about what ImageNet's have
_PAD_ID, _END_ID, _IMAGE_ID = range(3)


def save_random_blip2(folder: Path, *, device: torch.device, small: bool) -> Path:
    """A BLIP-2 of the size of blip2-opt-2.7b in bf16, or a tiny one; returns the folder."""
    vision, qformer, query_tokens = {}, {}, 32
    text = OPTConfig(
        vocab_size=50_272,
        hidden_size=2_560,
        word_embed_proj_dim=2_560,
        ffn_dim=10_240,
        num_hidden_layers=32,
        num_attention_heads=32,
        pad_token_id=_PAD_ID,
        bos_token_id=_END_ID,
        eos_token_id=_END_ID,
    )
    if small:
        size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
        vision = {**size, "num_attention_heads": 4, "image_size": 28, "patch_size": 14}
        qformer = {**size, "num_attention_heads": 4, "encoder_hidden_size": 32}
        query_tokens = 4
        text = OPTConfig(
            vocab_size=100,
            hidden_size=32,
            word_embed_proj_dim=32,
            ffn_dim=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            pad_token_id=_PAD_ID,
            bos_token_id=_END_ID,
            eos_token_id=_END_ID,
        )
    config = Blip2Config(
        vision_config=vision,
        qformer_config=qformer,
        text_config=text,
        num_query_tokens=query_tokens,
        image_token_index=_IMAGE_ID,
    )
    with device:
        model = Blip2ForConditionalGeneration(config)
    torch.nn.Module.to(model, torch.bfloat16)
    model.save_pretrained(folder)
    words = [f"word{number}" for number in range(text.vocab_size - 3)]
    ids = {token: number for number, token in enumerate(["<pad>", "</s>", "<image>", *words])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken("<image>", special=True, normalized=False)])
    side_px = 28 if small else 224
    Blip2Processor(
        image_processor=BlipImageProcessorPil(size={"height": side_px, "width": side_px}),
        tokenizer=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", bos_token="</s>"
        ),
        num_query_tokens=query_tokens,
    ).save_pretrained(folder)
    return folder


def write_images(folder: Path, count: int) -> Path:
    """Photograph-like JPEGs: smooth noise, so that they are as large as photographs."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(count):
        coarse = chance.integers(0, 256, (48, 64, 3), np.uint8)
        image = Image.fromarray(coarse).resize(IMAGE_SIZE_PX, Image.Resampling.BICUBIC)
        image.save(folder / f"image{number:05d}.jpg", quality=90)
    return folder


def captioning_figures(
    device: torch.device, seconds_of: Callable[..., float], *, small: bool
) -> Iterator[tuple[str, str, float, str]]:
    """Name, predicted, measured, unit: preset vl-enriched from files, and plain `generate`."""
    counts = (1, 4) if small else (1, 64, 128, 256, 512)
    with TemporaryDirectory() as temporary:
        folder = save_random_blip2(Path(temporary) / "blip2", device=device, small=small)
        images = write_images(Path(temporary) / "images", 8 if small else 1_024)
        captioner = Captioner(folder, PRESETS["vl-enriched"], dtype="bfloat16", device=str(device))
        shard = Shard(Path(), list_images(images).rows)
        names = shard.images.column("image").to_pylist()[: counts[-1]]
        decoded = [decode(images / name, captioner.square).pixels for name in names]
        pixels = np.stack([each for each in decoded if each is not None])
        rates = {}
        for count in counts:  # pixels in memory already: what the device can do at best
            seconds = seconds_of(partial(captioner.captions, pixels[:count]), repeats=3)
            rates[count] = count / seconds
            predicted = {1: "1.7", 64: "105", 256: "280", 512: "340"}.get(count, "between")
            name = f"BLIP-2 2.7B: plain generate, batch {count}"
            yield (name, predicted, rates[count], "images/s")
        best = max(rates, key=lambda count: rates[count])
        with Decoders(images, captioner.square, default_num_decoders()) as decoders:
            started = time.perf_counter()
            list(
                captioned_shards(
                    [shard],
                    captioner,
                    decoders,
                    captioner="random",
                    batch_size=best,
                    on_images=lambda _: None,
                )
            )
            took_s = time.perf_counter() - started
        yield ("BLIP-2 2.7B: best batch", "512", best, "images")
        rate = shard.images.num_rows / took_s
        yield ("BLIP-2 2.7B: files to captions", "at the best batch's", rate, "images/s")
        busy = 100 * (1 - decoders.waited_s / took_s)
        yield ("BLIP-2 2.7B: not waiting for pixels", "over 99", busy, "% of the time")
