"""The captioner against what transformers does by itself, on tiny models saved and loaded."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.datagen.tiny_blip2 import IMAGE_ID, NUM_QUERY_TOKENS, WORDS, save_tiny_blip2
from vargpt_datagen.captioning.presets import PRESETS
from vargpt_datagen.world.drawing import png_bytes
from vargpt_schema import UserError
from vargpt_schema.world import scene_at

PROMPT = "large red"


@pytest.fixture(scope="module", params=["opt", "t5"])
def language_model(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(language_model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(language_model) / "blip2"
    return save_tiny_blip2(folder, language_model=language_model)


@pytest.fixture(scope="module")
def pictures():
    return [Image.open(io.BytesIO(png_bytes(scene_at(index), 40))) for index in range(6)]


@pytest.fixture(scope="module")
def pixels(pictures) -> np.ndarray:
    return np.stack([np.asarray(each.convert("RGB").resize((28, 28), 3)) for each in pictures])


def captions_of(folder: Path, pixels: np.ndarray, preset: Any = "vl-enriched", **options: Any):
    from vargpt_datagen.captioning.blip2 import Captioner

    return Captioner(folder, PRESETS[preset], **options).captions(pixels)


def loaded(folder: Path) -> tuple[Any, Any]:
    """Model and processor, as anybody loads them."""
    from transformers import Blip2ForConditionalGeneration, Blip2Processor

    processor = Blip2Processor.from_pretrained(folder, backend="pil")
    return Blip2ForConditionalGeneration.from_pretrained(folder), processor


def test_pixel_values_are_those_of_the_processor(folder: Path, pictures, pixels: np.ndarray):
    from vargpt_datagen.captioning.blip2 import Captioner

    _, processor = loaded(folder)
    expected = processor.image_processor(pictures, return_tensors="pt")["pixel_values"].numpy()
    captioner = Captioner(folder, PRESETS["vl-enriched"])
    assert captioner.square == (28, 28, 3)
    np.testing.assert_allclose(captioner.pixel_values(pixels).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("preset", "num_beams", "limit"), [("vl-enriched", 1, 20), ("lavis", 5, 30)]
)
def test_captions_are_what_generate_writes_after_the_prompt(
    preset, num_beams, limit, folder: Path, language_model: str, pictures, pixels: np.ndarray
):
    model, processor = loaded(folder)
    inputs = processor(
        images=pictures, text=[PROMPT] * len(pictures), padding=True, return_tensors="pt"
    )
    ends = [1, 3] if preset == "lavis" and language_model == "opt" else 1
    output = model.generate(
        **inputs, max_new_tokens=limit, num_beams=num_beams, do_sample=False, eos_token_id=ends
    )
    if language_model == "opt":
        output = output[:, inputs["input_ids"].shape[1] :]
    expected = processor.batch_decode(output, skip_special_tokens=True)
    found = captions_of(folder, pixels, preset, prompt=PROMPT)
    assert [each.text for each in found] == expected
    assert len(set(expected)) > 1  # the pictures tell


def test_without_a_prompt_opt_goes_on_from_its_first_token(
    folder: Path, language_model: str, pixels
):
    if language_model != "opt":
        pytest.skip("T5 has no first token, and transformers none for it")
    from vargpt_datagen.captioning.blip2 import Captioner

    model, processor = loaded(folder)
    values = Captioner(folder, PRESETS["vl-enriched"]).pixel_values(pixels)
    output = model.generate(pixel_values=values, max_new_tokens=20, do_sample=False)
    expected = processor.batch_decode(output[:, NUM_QUERY_TOKENS + 1 :], skip_special_tokens=True)
    assert [each.text for each in captions_of(folder, pixels)] == expected


def test_neither_prompt_nor_placeholders_get_into_a_caption(folder: Path, pixels: np.ndarray):
    for prompt in ("", PROMPT):
        for each in captions_of(folder, pixels, prompt=prompt):
            words = each.text.split()
            assert set(words) <= set(WORDS)
            assert "<" not in each.text
            assert words[:2] != PROMPT.split()


def test_a_model_that_writes_placeholders_writes_no_caption(tmp_path: Path, pixels: np.ndarray):
    import torch

    folder = save_tiny_blip2(tmp_path / "blip2")
    model, _ = loaded(folder)
    with torch.no_grad():  # the greatest score goes to the image token, whatever comes before
        head = model.language_model.lm_head.weight
        norm = model.language_model.model.decoder.final_layer_norm
        norm.weight.zero_()
        norm.bias.fill_(1.0)
        head[IMAGE_ID] = 1.0
        head[IMAGE_ID + 1 :] = -1.0
        head[:IMAGE_ID] = -1.0
    model.save_pretrained(folder)
    assert {(each.text, each.is_at_limit) for each in captions_of(folder, pixels)} == {("", True)}


def test_captions_that_end_by_themselves_are_not_at_the_limit(folder: Path, pixels: np.ndarray):
    for each in captions_of(folder, np.concatenate([pixels, 255 - pixels])):
        if each.is_at_limit:
            assert len(each.text.replace("\n", " \n ").split(" ")) >= 15
        else:
            assert len(each.text.split()) < 20


def test_the_lavis_preset_ends_opt_at_a_line_break(tmp_path: Path, pixels: np.ndarray):
    pictures = np.concatenate([pixels, 255 - pixels, pixels[:, ::-1]])
    folder = save_tiny_blip2(tmp_path / "blip2", seed=3)
    greedy = captions_of(folder, pictures)
    assert any("\n" in each.text.strip() for each in greedy)  # this model writes some
    assert not any("\n" in each.text.strip() for each in captions_of(folder, pictures, "lavis"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_captions_too(dtype: str, folder: Path, pixels: np.ndarray):
    assert len(captions_of(folder, pixels, dtype=dtype)) == len(pixels)


def test_no_images_are_no_captions(folder: Path):
    assert captions_of(folder, np.zeros((0, 28, 28, 3), np.uint8)) == []


def test_checkpoints_that_lack_something_are_refused(tmp_path: Path, pixels: np.ndarray):
    from safetensors.numpy import load_file, save_file

    folder = save_tiny_blip2(tmp_path / "blip2")
    weights, config = folder / "model.safetensors", folder / "config.json"
    told, tensors = json.loads(config.read_text()), load_file(weights)

    config.write_text(json.dumps(told | {"image_token_index": None}))
    with pytest.raises(UserError, match="names no image token"):
        captions_of(folder, pixels)
    config.write_text(json.dumps(told))

    save_file({name: each for name, each in tensors.items() if name != "query_tokens"}, weights)
    with pytest.raises(UserError, match=r"1 tensors of a BLIP-2 are missing .*query_tokens"):
        captions_of(folder, pixels)

    weights.write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be loaded"):
        captions_of(folder, pixels)

    (folder / "tokenizer.json").unlink()
    save_file(tensors, weights)
    with pytest.raises(UserError, match="cannot be loaded"):
        captions_of(folder, pixels)
