"""For `gpu.py`: a BLIP-2 2.7B with random weights, as `save_pretrained` writes it, and images."""

from pathlib import Path

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
