"""A training step of VARGPT as one writes it first, and the ratio of ours to it.

Plain: images are encoded anew at every step, the text head runs at every position, attention of the
decoder has one dense mask, and every position is computed with gradient. The losses are equal.

Run: PYTHONPATH=$(echo packages/*/src | tr ' ' ':') python benchmarks/plain_train.py
     --device cpu --small   the tiny preset; that the losses agree is then all it shows
"""

import argparse
import time
from collections.abc import Callable
from typing import NamedTuple
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from vargpt_model import VargptForConditionalGeneration
from vargpt_model.stages import Stage, is_trained
from vargpt_model.vargpt import VargptConfig
from vargpt_model.vargpt.presets import preset_7b, preset_tiny
from vargpt_model.visual_decoder import block, code_cross_entropy
from vargpt_model.visual_decoder.block_causal_attention import block_causal_mask

TEXT_POSITIONS = 40  # of a row that draws; a -130K row has about as many


class Rows(NamedTuple):
    """A batch of B rows that each draw one image, and one of as many that look at one."""

    drawing_ids: Tensor  # (B, S)
    labels: Tensor  # (B, S)
    target_pixel_values: Tensor  # (B, 3, s, s)
    looking_ids: Tensor  # (B, T)
    looking_labels: Tensor  # (B, T)
    pixel_values: Tensor  # (B, 3, h, w)


def model_at_random(
    config: VargptConfig, device: torch.device, dtype: torch.dtype
) -> VargptForConditionalGeneration:
    """Random weights on the device; the image tokenizer stays in float32."""
    with device:
        model = VargptForConditionalGeneration(config)
    for name, part in model.named_children():
        if name != "vae_local":
            part.to(dtype)
    if config.guidance_null == "learned":
        model.guidance_null_states.data = model.guidance_null_states.data.to(dtype)
    return model


def rows_at_random(
    model: VargptForConditionalGeneration, batch_size: int, dtype: torch.dtype
) -> Rows:
    """Text of random ids in front of an image, and behind one."""
    config, device = model.config, model.device
    special = {
        config.image_token_index,
        config.image_gen_start_token_id,
        config.image_gen_pad_token_id,
        config.image_gen_end_token_id,
    }
    words = torch.tensor([each for each in range(config.text.vocab_size) if each not in special])
    text = words[torch.randint(len(words), (2, batch_size, TEXT_POSITIONS))].to(device)

    def run(token_id: int | None, length: int) -> Tensor:
        assert token_id is not None  # the presets name them all
        return torch.full((batch_size, length), token_id, device=device)

    start = run(config.image_gen_start_token_id, 1)
    codes = run(config.image_gen_pad_token_id, config.num_image_codes)
    end = run(config.image_gen_end_token_id, 1)
    drawing = torch.cat([text[0], start, codes, end], dim=1)
    labels = torch.full_like(drawing, config.ignore_index)
    labels[:, TEXT_POSITIONS // 2 : TEXT_POSITIONS + 1] = drawing[
        :, TEXT_POSITIONS // 2 : TEXT_POSITIONS + 1
    ]
    looking = torch.cat([run(config.image_token_index, config.num_image_tokens), text[1]], dim=1)
    looking_labels = torch.full_like(looking, config.ignore_index)
    looking_labels[:, -TEXT_POSITIONS // 2 :] = looking[:, -TEXT_POSITIONS // 2 :]
    side, seen = config.image_tokenizer_config.image_size_px, config.vision_size_px
    return Rows(
        drawing,
        labels,
        torch.rand(batch_size, 3, side, side, device=device) * 2 - 1,
        looking,
        looking_labels,
        torch.randn(batch_size, 3, seen, seen, device=device, dtype=dtype),
    )


def freeze(model: VargptForConditionalGeneration, stage: Stage) -> None:
    """Gradients for what the stage trains, and for nothing else."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_trained(stage, name))


def densely_masked(q: Tensor, k: Tensor, v: Tensor, ranges, *, scale: float, dropout: float = 0.0):
    """Attention with one mask for all scales, as the reference trains."""
    mask = block_causal_mask(ranges, q.device)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout, scale=scale)


def plain_drawing_loss(model: VargptForConditionalGeneration, rows: Rows) -> Tensor:
    """Text and image loss of rows that draw."""
    codes = model.encode_images(rows.target_pixel_values)
    condition = model.config.training_condition
    assert condition is not None  # the configuration fills it
    no_class = torch.full((len(codes),), condition, device=codes.device)
    drawn = model.code_rows(codes, model.vargpt_gen.dropped_conditions(no_class))
    is_code = rows.drawing_ids == model.config.image_gen_pad_token_id
    embeds = model.get_input_embeddings()(rows.drawing_ids)
    embeds = embeds.masked_scatter(is_code[..., None], drawn.rows.to(embeds.dtype))
    hidden = model.language_model.model(inputs_embeds=embeds, use_cache=False).last_hidden_state
    states = hidden[is_code].view(*drawn.rows.shape)
    with patch.object(block, "block_causal_attention", densely_masked):
        logits = model.vargpt_gen.decode(
            model.to_decoder(states, 0), model.vargpt_gen.modulations(drawn.condition)
        )
    image_loss = code_cross_entropy(logits, codes).mean()
    return _text_loss(model, hidden, rows.labels) + image_loss


def plain_looking_loss(model: VargptForConditionalGeneration, rows: Rows) -> Tensor:
    """Text loss of rows that look at an image."""
    embeds = model.get_input_embeddings()(rows.looking_ids)
    is_image = rows.looking_ids == model.config.image_token_index
    features = model.image_features(rows.pixel_values)
    embeds = embeds.masked_scatter(is_image[..., None], features.to(embeds.dtype))
    hidden = model.language_model.model(inputs_embeds=embeds, use_cache=False).last_hidden_state
    return _text_loss(model, hidden, rows.looking_labels)


def _text_loss(model: VargptForConditionalGeneration, hidden: Tensor, labels: Tensor) -> Tensor:
    logits = model.language_model.lm_head(hidden).float()  # at every position
    return F.cross_entropy(
        logits[:, :-1].flatten(0, 1),
        labels[:, 1:].flatten(),
        ignore_index=model.config.ignore_index,
    )


def our_drawing_loss(
    model: VargptForConditionalGeneration, rows: Rows, codes: Tensor | None
) -> Tensor:
    """The package's own step; `codes` None: encoded anew."""
    output = model(
        rows.drawing_ids,
        labels=rows.labels,
        image_code_ids=codes,
        target_pixel_values=rows.target_pixel_values if codes is None else None,
    )
    return output.loss


def our_looking_loss(model: VargptForConditionalGeneration, rows: Rows) -> Tensor:
    """The package's own step on rows that look at an image."""
    output = model(rows.looking_ids, labels=rows.looking_labels, pixel_values=rows.pixel_values)
    return output.loss


def seconds_of(
    model: VargptForConditionalGeneration, loss: Callable[[], Tensor], *, repeats: int
) -> float:
    """Fastest forward and backward pass after one to warm up; without an optimizer."""
    times = []
    for _ in range(1 + repeats):
        model.zero_grad(set_to_none=True)
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        loss().backward()
        if model.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times[1:])


def main() -> None:
    """Print both rates of every stage, their ratio, and that the losses agree."""
    parser = argparse.ArgumentParser(description="Plain training beside ours.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--batch-size", type=int, default=4)
    options = parser.parse_args()
    device = torch.device(options.device)
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    torch.manual_seed(0)
    model = model_at_random((preset_tiny if options.small else preset_7b)(), device, dtype)
    rows = rows_at_random(model, options.batch_size, dtype)
    codes = model.encode_images(rows.target_pixel_values)
    print("| stage | plain, rows/s | ours, rows/s | ratio | plain loss | our loss |")
    print("| --- | --- | --- | --- | --- | --- |")
    stages: tuple[Stage, ...] = ("1", "2", "3")
    for stage in stages:
        freeze(model, stage)
        if stage == "2":
            plain, ours = plain_looking_loss, our_looking_loss
        else:
            plain = plain_drawing_loss

            def ours(model, rows):
                return our_drawing_loss(model, rows, codes)

        with torch.no_grad():
            model.eval()
            losses = float(plain(model, rows)), float(ours(model, rows))
        model.train()
        plain_s, our_s = (
            seconds_of(model, lambda step=step: step(model, rows), repeats=3)
            for step in (plain, ours)
        )
        print(
            f"| {stage} | {options.batch_size / plain_s:.2f} | {options.batch_size / our_s:.2f} | "
            f"{plain_s / our_s:.2f} | {losses[0]:.5f} | {losses[1]:.5f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
